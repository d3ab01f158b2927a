-- Named queries over a release. Figures, the SQL page's examples and the tests read this one file; each block starts with
-- `-- name: <name>` and one comment line that says what it answers. The browser runs DuckDB 0.9.1, so nothing newer is used.

-- name: leaderboard
-- F1 of every model by scenario and protocol, mean over seeds with 95 % interval
select dataset, scenario, model, protocol, mean, ci_low, ci_high, n_seeds
from summary
where metric = 'f1' and attack = 'all' and scenario like '%test%'
order by dataset, scenario, protocol, model;

-- name: recall
-- Recall at 1 % false positives of every model by scenario and protocol, with the kinds of attack that the scenario holds
select s.dataset, s.scenario, d.attacks, s.model, s.protocol, s.mean, s.ci_low, s.ci_high
from summary s
join (
  select dataset, split, string_agg(distinct attack, ', ' order by attack) as attacks
  from datasets where injected > 0 group by 1, 2
) d on d.dataset = s.dataset and d.split = s.scenario
where s.metric = 'recall_at_fpr_1pct' and s.attack = 'all'
order by 1, 2, 4, 5;

-- name: schedule
-- When attacks begin in each recording, and F1 of a timer that is told the first two and sees nothing else, on the windows after the second
with windows as (
  select distinct dataset, scenario, capture, "window", t0, t0 + duration as t1, injected > 0 as attacked
  from predictions where protocol = 'zero-shot'
),
attacked as (
  select *, coalesce(t0 - lag(t1) over (partition by dataset, scenario, capture order by "window") > 1, true)::int as begins
  from windows where attacked
),
numbered as (
  select *, sum(begins) over (partition by dataset, scenario, capture order by "window" rows unbounded preceding) as n from attacked
),
bursts as (
  select dataset, scenario, capture, n, min(t0) as begin_at, max(t1) as end_at from numbered group by 1, 2, 3, 4
),
plans as (
  select dataset, scenario, capture, count(*) as bursts, min(begin_at) as first_at,
    min(case when n = 1 then end_at - begin_at end) as seconds, min(case when n = 2 then begin_at end) - min(begin_at) as period, min(case when n = 2 then end_at end) as judged_from,
    string_agg(round(begin_at * 1000)::bigint::varchar, ' ' order by n) as begins_ms, string_agg(round(end_at * 1000)::bigint::varchar, ' ' order by n) as ends_ms
  from bursts group by 1, 2, 3
),
timed as (
  select p.*, w.attacked, (w.t0 - p.first_at) % p.period < p.seconds as alarm
  from plans p left join windows w on w.dataset = p.dataset and w.scenario = p.scenario and w.capture = p.capture and w.t0 >= p.judged_from
)
select dataset, scenario, capture, bursts, first_at, seconds, period, begins_ms, ends_ms, count(attacked) as windows,
  sum((alarm and attacked)::int) as hits, sum(alarm::int) as alarms, sum(attacked::int) as positives,
  case when sum(attacked::int) > 0 then 2.0 * sum((alarm and attacked)::int) / (sum(alarm::int) + sum(attacked::int)) end as timer_f1
from timed
group by 1, 2, 3, 4, 5, 6, 7, 8, 9
order by 1, 2, 3;

-- name: curves
-- Training curves of every run
select dataset, model, seed, metric, epoch, value
from curves
where value is not null
order by dataset, metric, model, seed, epoch;

-- name: window
-- Frames of the first example window that is under attack
select "graph", dataset, scenario, vehicle, attack, frame, "offset", id, label
from graphs
where "graph" = (select min("graph") from graphs where attack <> 'benign')
order by frame;

-- name: operating-curve
-- Score distribution of the headline model: windows by score bin and label
select dataset, scenario, protocol, injected > 0 as attacked, floor("gat-student" * 50) / 50 as bin, count(*) as windows
from predictions
where "gat-student" is not null and protocol = 'zero-shot'
group by 1, 2, 3, 4, 5
order by 1, 2, 3, 4, 5;

-- name: unseen
-- Scores on the unknown car: windows of one seed by model, score bin and label, and the operating point
select u.dataset, u.scenario, u.model, u.injected > 0 as attacked, floor(u.score * 60) / 60 as bin, count(*) as windows, min(o.threshold) as threshold
from (unpivot (select * from predictions where scenario like '%test_04' and protocol = 'zero-shot')
  on columns('-(teacher|student|baseline)$') into name model value score) u
left join operating_points o
  on o.dataset = u.dataset and o.protocol = u.protocol and o.seed = u.seed and o.model = u.model
where u.seed = (select min(seed) from predictions)
group by 1, 2, 3, 4, 5
order by 1, 2, 3, 4, 5;

-- name: size-against-f1
-- Counted parameters against mean F1 over the test scenarios (a fusion runs on top of two detectors, so it is left out)
select s.dataset, s.model, s.protocol, p.parameters, avg(s.mean) as f1, count(*) as scenarios
from summary s
join (select dataset, model, sum(count) as parameters from parameters group by 1, 2) p
  on p.dataset = s.dataset and p.model = s.model
where s.metric = 'f1' and s.attack = 'all' and s.scenario like '%test%' and s.mean is not null and s.model not like 'fusion%'
group by 1, 2, 3, 4
order by 1, 2, 3;

-- name: alpha
-- How often the fusion chose each weight of the classifier, by attack
select p.attack, round(p.alpha * 20) / 20 as alpha, count(*) as windows, count(*) * 1.0 / min(t.total) as share
from policy p
join (select attack, count(*) as total from policy group by 1) t on t.attack = p.attack
group by 1, 2
order by 1, 2;

-- name: similarity
-- Linear CKA between the layers of teacher and student, mean over seeds
select model, teacher_layer, student_layer, avg(value) as similarity
from cka
group by 1, 2, 3
order by 1, 2, 3;

-- name: embeddings
-- Projection of the headline model's graph embeddings
select dataset, scenario, capture, "window", vehicle, attack, x, y, score
from embeddings
order by dataset, scenario, capture, "window";

-- name: false-alarms
-- False alarms and benign windows of every model, added over seeds
select dataset, scenario, model, protocol, sum(fp) as false_alarms, sum(fp + tn) as benign_windows
from confusion
where attack = 'all'
group by 1, 2, 3, 4
order by 1, 2, 4, 3;

-- name: missed
-- Attacked windows the headline model missed, least injected frames first
select p.dataset, p.scenario, p.protocol, p.seed, p.capture, p."window", p.attack, p.injected, p."gat-student" as score
from predictions p
join operating_points o
  on o.dataset = p.dataset and o.protocol = p.protocol and o.seed = p.seed and o.model = 'gat-student'
where p.injected > 0 and p."gat-student" < o.threshold
order by p.injected, p.dataset, p.scenario, p.protocol, p.seed, p.capture, p."window"
limit 50;

-- name: teacher-student
-- What distillation costs: F1 of each student minus its teacher
select s.dataset, s.scenario, s.protocol, s.model as student, s.mean - t.mean as f1_difference
from summary s
join summary t
  on t.dataset = s.dataset and t.scenario = s.scenario and t.protocol = s.protocol and t.metric = s.metric
  and t.attack = s.attack and t.model = replace(s.model, '-student', '-teacher')
where s.metric = 'f1' and s.attack = 'all' and s.model like '%-student'
order by 1, 2, 3, 4;

-- name: captures
-- Every capture: split, vehicle, attack, frames, share of injected frames
select dataset, split, capture, vehicle, attack, frames, injected * 1.0 / frames as injected_share, seconds
from datasets
where duplicate_of = '' and frames > 0
order by dataset, split, capture;

-- name: runs
-- Every run: what it trained, from which commit, how long it took
select run, dataset, seed, stage, model, preset, "commit", data_kind, seconds, parameters
from runs
order by run;

-- name: ablations
-- What one changed factor does to F1: the paired difference from the reference, with 95 % interval
select dataset, scenario, protocol, factor, level, parameters, difference, difference_low, difference_high, n_seeds
from ablations
where metric = 'f1' and not "reference"
order by dataset, protocol, factor, level, scenario;

-- name: readings
-- Every evaluation that opened a test folder, also of runs that are in no release
select reader, min("time") as first, count(distinct capture) as captures, min(config_hash) as configuration, min("commit") as "commit"
from readings
group by reader
order by first, reader;

-- name: benchmarks
-- Measured speeds and latency
select name, value, unit, n, machine
from benchmarks
order by name;
