"""Every table, column by column: the one definition of what a run leaves and a release holds."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from kdgat.records.schema import JSON, PATH, Column, RecordError, Schema

#: what of the test vehicle was seen before scoring, see `kdgat.dataset.protocols.view`
PROTOCOLS = ("zero-shot", "adapted", "calibrated", "profiled", "contaminated", "poisoned")
DATA_KINDS = ("real", "synthetic")
#: of two models: by Holm's correction more or less; else the interval is narrow enough to call them alike, or it is not
VERDICTS = ("more", "less", "indistinguishable", "not resolved by this data")
HEADLINE_MODEL = "gat-student"
#: the student that learns from labels alone, where it was trained
ALONE_MODEL = "gat-alone-student"
S, F, I, L, U8, U32, B = (  # noqa: E741
    pa.string(),
    pa.float32(),
    pa.int32(),
    pa.int64(),
    pa.uint8(),
    pa.uint32(),
    pa.bool_(),
)

_RUN = Column("run", S, "run that made the row: <flow>/<run id>/<step>/<task id>")
_DATASET = Column("dataset", S, "dataset name in the catalog")
_SEED = Column("seed", I, "seed of the training", low=0)
_SCENARIO = Column("scenario", S, "test folder (test_01 …) or validation")
_ATTACK = Column("attack", S, "attack kind; `all` pools the scenario, `benign` marks windows without injection")
_MODEL = Column("model", S, "family and role, e.g. gat-student")
_PROTOCOL = Column("protocol", S, "what of the test vehicle was seen before scoring", values=PROTOCOLS)
_CAPTURE = Column("capture", S, "capture file, relative to the dataset's folder", text=PATH)
_WINDOW = Column("window", I, "index of the window in its capture", low=0)
_METRIC = Column("metric", S, "metric name: f1, precision, recall, mcc, roc_auc, pr_auc, …")
_GRAPH = Column("graph", I, "number of an example graph in this release", low=0)


def _schema(name: str, doc: str, key: Sequence[str], *columns: Column, further: Column | None = None) -> Schema:
    return Schema(name, doc, columns, tuple(key), further)


_ALL = (
    _schema(
        "runs",
        "One row per training or evaluation: what ran, on what, from which code.",
        ["run"],
        _RUN,
        Column("flow_run", S, "<flow>/<run id>"),
        _DATASET,
        _SEED,
        Column(
            "stage",
            S,
            "what the task did",
            values=("prepare", "vgae", "gat", "fusion", "baseline", "evaluate", "ablation"),
        ),
        _MODEL,
        Column("preset", S, "named configuration: smoke, demo, paper"),
        Column("config", S, "the whole configuration, canonical JSON", text=JSON),
        Column("config_hash", S, "sha256 of `config`"),
        Column("commit", S, "git commit, or `unknown` outside a repository"),
        Column("dirty", B, "the work tree differed from the commit"),
        Column("code_hash", S, "sha256 over the sources of kdgat/ and flows/ that were imported"),
        Column("lock_hash", S, "sha256 of the dependency lock"),
        Column("data_hash", S, "sha256 over the captures read"),
        Column("data_kind", S, "real captures or the synthetic bus", values=DATA_KINDS),
        Column("tracker", S, "where the run is mirrored", values=("wandb", "mlflow", "none")),
        Column("tracker_id", S, "the run's id there, empty for none"),
        Column("started", S, "start, ISO 8601 UTC"),
        Column("seconds", F, "wall time", "s", low=0),
        Column("parameters", L, "trainable parameters, counted", low=0),
        Column("selection_metric", S, "validation metric by which this run may be selected"),
        Column("selection_value", F, "its value", nullable=True),
        Column("machine", S, "CPU or GPU model, cores, operating system, Python and torch versions"),
        Column("slurm_job", S, "SLURM job that ran the task, null where none did", nullable=True, added=True),
        Column("slurm_node", S, "node that ran it", nullable=True, added=True),
        Column("slurm_allocation", S, "what the job was granted, canonical JSON", nullable=True, added=True, text=JSON),
        Column("log_hash", S, "sha256 of the task's output in the store, of a SLURM job", nullable=True, added=True),
    ),
    _schema(
        "metrics",
        "One row per run, seed, scenario, attack, model, protocol and metric.",
        ["dataset", "scenario", "attack", "model", "protocol", "metric", "seed", "run"],
        _RUN,
        _DATASET,
        _SEED,
        _SCENARIO,
        _ATTACK,
        _MODEL,
        _PROTOCOL,
        _METRIC,
        Column("value", F, "the value; null where the metric is undefined (one class only)", nullable=True),
        Column("n", L, "windows (or events) it was computed from", low=0),
    ),
    _schema(
        "summary",
        "`metrics` over seeds with intervals.",
        ["dataset", "scenario", "attack", "model", "protocol", "metric"],
        _DATASET,
        _SCENARIO,
        _ATTACK,
        _MODEL,
        _PROTOCOL,
        _METRIC,
        Column("mean", F, "mean over seeds", nullable=True),
        Column("ci_low", F, "lower end of the 95 % interval", nullable=True),
        Column("ci_high", F, "upper end of the 95 % interval", nullable=True),
        Column("interval", S, "how the interval was made, one of kdgat.evaluation.methods.METHODS", added=True),
        Column("n_seeds", I, "seeds", low=1),
        Column("recordings", I, "recordings scored", low=0),
        Column("segments", I, "contiguous attack segments in them", low=0),
        Column("positives", L, "windows with an injected frame, per seed", low=0),
        Column("negatives", L, "windows without, per seed", low=0),
    ),
    _schema(
        "curves",
        "Training curves: one row per run, epoch and metric.",
        ["run", "model", "metric", "epoch"],
        _RUN,
        _DATASET,
        _SEED,
        _MODEL,
        _METRIC,
        Column("epoch", I, "epoch, from 0", low=0),
        Column("value", F, "value at the end of the epoch", nullable=True),
    ),
    _schema(
        "predictions",
        "Window-level scores on every test window; one column per scored model, by its name.",
        ["dataset", "scenario", "protocol", "seed", "capture", "window"],
        _DATASET,
        _SCENARIO,
        _PROTOCOL,
        _SEED,
        _CAPTURE,
        _WINDOW,
        Column("t0", F, "start of the window after the capture's first frame", "s", low=0),
        Column("duration", F, "length of the window", "s", low=0),
        Column("attack", S, "attack kind of the injected frames, `benign` if none"),
        Column("injected", I, "injected frames in the window", low=0),
        further=Column("", F, "score of the model: attack if at or over its operating point", nullable=True),
    ),
    _schema(
        "operating_points",
        "The threshold each model used, and what it was fitted on (never test labels).",
        ["dataset", "model", "protocol", "seed"],
        _RUN,
        _DATASET,
        _SEED,
        _MODEL,
        _PROTOCOL,
        Column("threshold", F, "a window is an attack if its score is at or over it"),
        Column("source", S, "what the threshold was fitted on"),
    ),
    _schema(
        "confusion",
        "Counts at the operating point.",
        ["dataset", "scenario", "attack", "model", "protocol", "seed"],
        _RUN,
        _DATASET,
        _SEED,
        _SCENARIO,
        _ATTACK,
        _MODEL,
        _PROTOCOL,
        Column("tp", L, "attacked windows called attacks", low=0),
        Column("fp", L, "benign windows called attacks", low=0),
        Column("tn", L, "benign windows called benign", low=0),
        Column("fn", L, "attacked windows called benign", low=0),
    ),
    _schema(
        "embeddings",
        "Two-dimensional projection of the headline model's graph embeddings, one seed.",
        ["dataset", "scenario", "model", "capture", "window"],
        _DATASET,
        _SCENARIO,
        _MODEL,
        _SEED,
        _CAPTURE,
        _WINDOW,
        Column("vehicle", S, "vehicle of the capture"),
        Column("attack", S, "attack kind of the window, `benign` if none"),
        Column("x", F, "first coordinate"),
        Column("y", F, "second coordinate"),
        Column("score", F, "the model's attack score", low=0, high=1),
    ),
    _schema(
        "graphs",
        "Example windows, one row per frame: time offset, ID, label; never payload bytes.",
        ["graph", "frame"],
        _GRAPH,
        _DATASET,
        _SCENARIO,
        _CAPTURE,
        _WINDOW,
        Column("vehicle", S, "vehicle of the capture"),
        Column("attack", S, "attack kind of the window, `benign` if none"),
        Column("frame", I, "position in the window", low=0),
        Column("offset", F, "time after the window's first frame", "s"),
        Column("id", U32, "CAN ID"),
        Column("label", U8, "1 if the frame is injected", low=0, high=1),
        Column("score", F, "the headline model's attack score of the window", low=0, high=1),
    ),
    _schema(
        "attention",
        "Attention weights of the headline model on the example graphs.",
        ["graph", "layer", "head", "source", "target"],
        _GRAPH,
        Column("layer", I, "layer, from 0", low=0),
        Column("head", I, "attention head, from 0", low=0),
        Column("source", U32, "CAN ID the edge leaves"),
        Column("target", U32, "CAN ID the edge enters"),
        Column("weight", F, "attention; sums to 1 over the edges that enter a node", low=0, high=1.0001),
    ),
    _schema(
        "attributions",
        "Integrated gradients of the headline model's attack logit on the example graphs.",
        ["graph", "kind", "source", "target", "feature"],
        _GRAPH,
        Column("kind", S, "node or edge feature", values=("node", "edge")),
        Column("source", U32, "CAN ID of the node, or of the edge's source"),
        Column("target", U32, "CAN ID of the node again, or of the edge's target"),
        Column("feature", S, "feature name"),
        Column("value", F, "attribution in logit units"),
    ),
    _schema(
        "reconstruction",
        "VGAE errors by part on the test windows, one seed.",
        ["dataset", "scenario", "model", "capture", "window"],
        _DATASET,
        _SCENARIO,
        _MODEL,
        _SEED,
        _CAPTURE,
        _WINDOW,
        Column("attack", S, "attack kind of the window, `benign` if none"),
        Column("node_error", F, "node-feature error"),
        Column("neighbour_error", F, "neighbourhood error"),
        Column("id_error", F, "identity error"),
        Column("score", F, "calibrated anomaly score (benign CDF)", low=0, high=1),
    ),
    _schema(
        "policy",
        "What the DQN fusion chose on the test windows, one seed.",
        ["dataset", "scenario", "model", "capture", "window"],
        _DATASET,
        _SCENARIO,
        _MODEL,
        _SEED,
        _CAPTURE,
        _WINDOW,
        Column("attack", S, "attack kind of the window, `benign` if none"),
        Column("anomaly", F, "calibrated VGAE score", low=0, high=1),
        Column("p_attack", F, "GAT attack probability", low=0, high=1),
        Column("alpha", F, "weight of the GAT in the fused score", low=0, high=1),
        Column("score", F, "fused score", low=0, high=1),
        Column("regret", F, "best reward of any weight minus the reward of the chosen one", low=0),
    ),
    _schema(
        "cka",
        "Linear CKA between teacher and student layers on validation windows.",
        ["dataset", "model", "seed", "teacher_layer", "student_layer"],
        _RUN,
        _DATASET,
        _SEED,
        _MODEL,
        Column("teacher_layer", S, "layer of the teacher"),
        Column("student_layer", S, "layer of the student"),
        Column("value", F, "similarity", low=0, high=1.0001),
    ),
    _schema(
        "datasets",
        "Every capture that was read: counts, splits, hashes.",
        ["dataset", "capture"],
        _DATASET,
        _CAPTURE,
        Column("vehicle", S, "vehicle"),
        Column("attack", S, "attack kind of the capture, `benign` if none"),
        Column("split", S, "train or the test scenario"),
        Column("data_kind", S, "real or synthetic", values=DATA_KINDS),
        Column("sha256", S, "hash of the file's bytes (or of the generated frames)"),
        Column("duplicate_of", S, "capture with the same content that was counted instead, empty if none", text=PATH),
        Column("frames", L, "frames", low=0),
        Column("injected", L, "frames labelled as injected", low=0),
        Column("quarantined", L, "rows set aside as unreadable", low=0),
        Column("ids", I, "distinct CAN IDs", low=0),
        Column("seconds", F, "span of the capture", "s", low=0),
        Column("windows", L, "windows made from it", low=0),
        Column("positives", L, "of them with an injected frame", low=0),
        Column("known_vehicle", B, "its identifiers are those of a car in training", added=True),
        Column("known_attack", B, "its kind of attack is one in training", added=True),
        Column("sisters", S, "cars in training that share most of its identifiers, comma-separated", added=True),
    ),
    _schema(
        "readings",
        "Every reading of a test capture in the work folder, also by runs that are in no release: how blind the results are.",
        ["dataset", "capture", "time", "reader"],
        _DATASET,
        _SCENARIO,
        _CAPTURE,
        Column("time", S, "when, ISO 8601 UTC"),
        Column("reader", S, "task that read it: <flow>/<run id>/<step>/<task id>"),
        Column("config_hash", S, "sha256 of the configuration it was read with"),
        Column("commit", S, "git commit that read it"),
    ),
    _schema(
        "ablations",
        "The headline model with one factor changed, against the reference at equal budget; intervals as in `summary`.",
        ["dataset", "factor", "level", "scenario", "protocol", "metric"],
        _DATASET,
        Column("factor", S, "what was changed"),
        Column("level", S, "to what; the reference's own level is among them"),
        Column("reference", B, "this level is the reference's"),
        _SCENARIO,
        _PROTOCOL,
        _METRIC,
        Column("mean", F, "mean over seeds", nullable=True),
        Column("ci_low", F, "lower end of its 95 % interval", nullable=True),
        Column("ci_high", F, "upper end", nullable=True),
        Column("difference", F, "mean minus the reference's, on the same windows and seeds", nullable=True),
        Column("difference_low", F, "lower end of its 95 % interval (paired)", nullable=True),
        Column("difference_high", F, "upper end", nullable=True),
        Column("p_holm", F, "its p-value, corrected over all levels of dataset and metric", nullable=True, added=True),
        Column("interval", S, "how the intervals were made, one of kdgat.evaluation.methods.METHODS", added=True),
        Column("n_seeds", I, "seeds", low=1),
        Column("parameters", L, "trainable parameters, counted", low=0),
    ),
    _schema(
        "differences",
        "Two models on the same windows and seeds: paired differences, corrected for their number.",
        ["dataset", "scenario", "protocol", "metric", "model", "other"],
        _DATASET,
        _SCENARIO,
        _PROTOCOL,
        _METRIC,
        _MODEL,
        Column("other", S, "model that it is compared with"),
        Column("difference", F, "mean over seeds of the model's value minus the other's"),
        Column("ci_low", F, "lower end of its 95 % interval (paired)"),
        Column("ci_high", F, "upper end"),
        Column("interval", S, "how the interval was made, one of kdgat.evaluation.methods.METHODS"),
        Column("p", F, "two-sided p-value of no difference", low=0, high=1),
        Column("p_holm", F, "the same after Holm's correction", low=0, high=1),
        Column("comparisons", I, "that the correction is for: all of this dataset and metric", low=1),
        Column("verdict", S, "what may be said", values=VERDICTS),
        Column("n_seeds", I, "seeds", low=1),
    ),
    _schema(
        "parameters",
        "Counted parameters, layer by layer.",
        ["dataset", "model", "layer"],
        _DATASET,
        _MODEL,
        Column("layer", S, "module path"),
        Column("shape", S, "shape, e.g. 64x35"),
        Column("count", L, "numbers in it", low=0),
    ),
    _schema(
        "benchmarks",
        "Measured speeds and sizes.",
        ["name"],
        Column("name", S, "what was measured"),
        Column("value", F, "value"),
        Column("unit", S, "unit"),
        Column("n", L, "repetitions", low=1),
        Column("machine", S, "where"),
    ),
    _schema(
        "hyperparameters",
        "Every hyper-parameter of every run, flat.",
        ["run", "name"],
        _RUN,
        Column("name", S, "dotted path in the configuration"),
        Column("value", S, "value, JSON", text=JSON),
    ),
)

#: every table by name
TABLES: dict[str, Schema] = {schema.name: schema for schema in _ALL}


def scored_models(predictions: pa.Table) -> list[str]:
    """Names of the models whose scores a table `predictions` holds, in its order."""
    fixed = TABLES["predictions"].names
    held = zip(predictions.column_names, predictions.columns, strict=True)
    return [name for name, column in held if name not in fixed and column.null_count < len(column)]


def schema(name: str) -> Schema:
    """The schema called `name`; raises `RecordError` for an unknown one."""
    try:
        return TABLES[name]
    except KeyError:
        raise RecordError(f"no table is called {name!r}; known: {', '.join(TABLES)}") from None
