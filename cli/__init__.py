"""The command `kdgat`: one file per command, imported when that command runs; imports everything, imported by nothing.

A file here holds the options of its command and what they mean; what the command does stays in `analysis` and `kdgat`.
`EXIT_CODES` is what every command ends with.
"""

#: exit code → when a command ends with it
EXIT_CODES = {
    0: "done",
    1: "something that was checked is not as it should be",
    2: "something you can mend: one line on stderr says what",
    3: "two releases cannot be compared",
    75: "training was saved before its time limit: start it again to go on",
    130: "interrupted by Control-C",
    141: "the reader of a pipe went away",
}
