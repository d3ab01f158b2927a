"""From frozen tables to the paper and the site, and back: freeze, verify, trace, compare, numbers, tables, figures."""
