"""Virtual drives: how a bus behaves, what attacks and evaders do to it, and which windows are drawn and masked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdgat.captures.frames import Frames
from kdgat.catalog.contents import sequence
from kdgat.catalog.datasets import Capture
from kdgat.config import Augmentation, Config, override
from kdgat.dataset import prepare as preparing
from kdgat.dataset import sources
from kdgat.dataset.prepare import balanced, prepare, profile_source, virtual_drive
from kdgat.presets import PRESETS
from kdgat.synthetic import commands, trips
from kdgat.synthetic.drives import FLOODS, SPILL_OVER, YOUNG, CutCar, Drive, drawn, drive, spilled_over, strikes_of
from kdgat.synthetic.forging import EVADERS, KINDS, MODES, Scene, Strike, forge, given_up
from kdgat.synthetic.kernels import traffic
from kdgat.synthetic.trips import Car, send


def moving_bytes(frames: Frames) -> int:
    """Byte positions of all identifiers that hold more than one value."""
    of_id = (frames.payload[frames.id == i] for i in np.unique(frames.id))
    return sum(int((payload != payload[0]).any(axis=0).sum()) for payload in of_id)


DRIVES = Augmentation(kind="drives", seconds=(12.0, 16.0), bursts=(0.0, 0.2))
BEGIN, END = 6.0, 9.0


@pytest.fixture(scope="module")
def car() -> Car:
    return Car.draw(np.random.default_rng(4), Augmentation())


@pytest.fixture(scope="module")
def trip(car: Car) -> Frames:
    return car.trip(12.0, np.random.default_rng(4))


@pytest.fixture(scope="module")
def drives(trip: Frames) -> list[Drive]:
    stretches = {"real": [trip.slice(0, len(trip) // 2), trip.slice(len(trip) // 2, len(trip))]}
    return [drive(n, stretches, DRIVES, 50, np.random.default_rng(n)) for n in range(30)]


def same(a: Frames, b: Frames) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a.columns, b.columns, strict=True))


def test_cars_keep_to_their_ranges_and_a_seed_makes_one() -> None:
    cars = [Car.draw(np.random.default_rng(n), Augmentation()).vehicle for n in range(200)]
    identifiers = np.array([len(v.id) for v in cars])
    rate = np.array([(1 / v.period).sum() for v in cars])
    load = np.array([((47 + 8.0 * v.dlc) / v.period).sum() * v.bit_time for v in cars])
    assert (
        identifiers.min() < 15 and identifiers.max() > 110 and (identifiers >= 10).all() and (identifiers <= 120).all()
    )
    assert rate.min() < 250 and rate.max() > 3000 and rate.max() <= 4000 * (1 + 1e-9) and load.max() <= 0.85 + 1e-9
    one, two = (
        Car.draw(np.random.default_rng(7), Augmentation()).trip(3.0, np.random.default_rng(7)) for _ in range(2)
    )
    assert same(one, two)


def test_ranges_of_the_configuration_hold() -> None:
    narrow = Augmentation(kind="drives", identifiers=(12, 20), gaps=(1e-3, 2e-3), waking=0.0)
    cars = [Car.draw(np.random.default_rng(n), narrow) for n in range(40)]
    assert all(12 <= len(car.vehicle.id) <= 20 for car in cars)
    frames = cars[0].trip(20.0, np.random.default_rng(0))
    periods = dict(zip(cars[0].vehicle.id.tolist(), cars[0].vehicle.period.tolist(), strict=True))
    first = {i: frames.timestamp[np.argmax(frames.id == i)] for i in np.unique(frames.id).tolist()}
    assert np.mean([first[i] < 2 * periods[i] + 0.2 for i in first]) > 0.8, "no sender wakes late"
    strikes = [s for n in range(40) for s in strikes_of(40.0, narrow, (), np.random.default_rng(n))]
    gaps = np.array([s.gap for s in strikes if s.kind not in FLOODS])
    assert (gaps >= 1e-3).all() and (gaps <= 2e-3).all()
    assert all(s.gap <= 10e-3 for s in strikes if s.kind in FLOODS), "a flood leaves no room"


def test_trips_of_a_car_differ_and_have_its_identifiers(car: Car) -> None:
    one, two = (car.trip(30.0, np.random.default_rng(n)) for n in range(2))
    for frames in (one, two):
        assert set(frames.id.tolist()) <= set(car.vehicle.id.tolist()) and not frames.label.any()
        assert (np.diff(frames.timestamp) > 0).all() and frames.timestamp[-1] < 30.0 + trips.PATIENCE + 1e-2
        assert not frames.payload[np.arange(8) >= frames.dlc[:, None]].any()
    assert not np.array_equal(one.payload[:500], two.payload[:500])


def test_values_of_a_parked_car_stand_still_until_it_drives() -> None:
    moved = []
    for parked in (0.0, 1.0):
        for n in range(12):
            car = Car.draw(np.random.default_rng(n), Augmentation(parked=parked, waking=0.0))
            trip = car.trip(10.0, np.random.default_rng(n))
            halves = [trip.take(late) for late in (trip.timestamp < 5.0, trip.timestamp >= 5.0)]
            moved.append([moving_bytes(half) for half in halves])
    running, parked_ = np.array(moved[:12]), np.array(moved[12:])
    assert parked_.sum() < 0.8 * running.sum()
    assert (parked_[:, 0] < parked_[:, 1]).any(), "some drive off on the way"


def test_buses_wake_late_fall_silent_and_lose_senders() -> None:
    late = silent = lost = 0
    for n in range(60):
        car = Car.draw(np.random.default_rng(n), Augmentation())
        frames = car.trip(30.0, np.random.default_rng(n))
        first = np.array([frames.timestamp[np.argmax(frames.id == i)] for i in np.unique(frames.id)])
        late += np.median(first) > 1.5
        silent += (np.diff(frames.timestamp) > 0.2).any() and len(frames) > 9000
        usual = {int(i): p for i, p in zip(car.vehicle.id, car.vehicle.period, strict=True)}
        gaps = [np.diff(frames.timestamp[frames.id == i]).max(initial=0) / usual[int(i)] for i in np.unique(frames.id)]
        lost += 0 < (np.array(gaps) > 25).mean() < 0.5
    assert late >= 10 and silent >= 3 and lost >= 10


def slow_bus(due: list[float], ids: list[int], forged: list[int], bit_time: float, patience: float) -> list[tuple]:
    """Send frames of no data one by one, by looking at all that wait."""
    waiting, now, order = list(range(len(due))), 0.0, []
    while waiting:
        now = max(now, min(due[k] for k in waiting))
        k = min((k for k in waiting if due[k] <= now), key=lambda k: (ids[k], k))
        waiting.remove(k)
        if forged[k] or now - due[k] <= patience:
            order.append((k, now))
            now += 47 * bit_time
    return order


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 4), st.integers(0, 1)), max_size=40))
def test_the_lowest_identifier_wins_the_bus(frames: list[tuple[int, int, int]]) -> None:
    frames = sorted(frames, key=lambda f: f[0])
    due, ids, forged = ([f[k] for f in frames] for k in range(3))
    n = len(frames)
    order, start = np.empty(n, np.int64), np.empty(n)
    sent = traffic.arbitrate(
        np.array(due, float), np.array(ids, np.uint32), np.zeros(n, np.uint8), np.array(forged, np.uint8),
        0.05, 10.0, order, start,
    )  # fmt: skip
    want = slow_bus([float(d) for d in due], ids, forged, 0.05, 10.0)
    assert order[:sent].tolist() == [k for k, _ in want] and start[:sent] == pytest.approx([t for _, t in want])


def test_frames_that_were_sent_keep_their_times(car: Car, trip: Frames) -> None:
    assert same(send(trip, car.bit_time), trip)


@pytest.mark.parametrize("kind", KINDS)
def test_an_attack_labels_what_it_forges_and_nothing_else(kind: str, car: Car, trip: Frames) -> None:
    before = [c.copy() for c in trip.columns]
    forged = genuine = 0
    for seed in range(3):
        out = forge(trip, [Strike(kind, BEGIN, END, 0.02)], car.bit_time, np.random.default_rng(seed))
        assert (np.diff(out.timestamp) > 0).all()
        times = out.timestamp[out.label == 1]
        end = 12.1 if kind == "evade_doubled" else END + 0.1
        assert ((times > BEGIN - 1e-3) & (times < end)).all()
        early = out.take(out.timestamp < BEGIN - 0.05)
        assert same(early, trip.take(trip.timestamp < BEGIN - 0.05)), "before it begins, nothing is touched"
        # what is not labelled was sent by the car, with its own payload
        assert np.isin(sequence(out.take(out.label == 0)), sequence(trip)).all()
        forged, genuine = forged + len(times), genuine + int((out.label == 0).sum())
    assert all(np.array_equal(a, b) for a, b in zip(before, trip.columns, strict=True)), (
        "the traffic itself is unchanged"
    )
    assert (forged == 0) == (kind == "suppress")
    assert genuine < 3 * len(trip) or kind not in ("suppress", "masquerade", "masquerade_timed", "payload_replaced")


def test_timed_attacks_change_payloads_and_no_times(car: Car, trip: Frames) -> None:
    for kind in ("payload_replaced", "masquerade_timed", "evade_offset", "evade_drift"):
        for seed in range(6):
            out = forge(trip, [Strike(kind, BEGIN, END, 1.0)], car.bit_time, np.random.default_rng(seed))
            assert np.array_equal(out.timestamp, trip.timestamp) and np.array_equal(out.id, trip.id)
            changed = (out.payload != trip.payload).any(axis=1)
            assert changed.any() and not (changed & (out.label == 0)).any()
            assert len(np.unique(out.id[out.label == 1])) == 1


@pytest.mark.parametrize("mode", MODES)
def test_forged_payloads_keep_their_length_and_differ(mode: str, trip: Frames) -> None:
    scene = Scene(trip)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        own, inside = scene.victim(BEGIN, END, rng)
        payload = scene.forged(own, inside, mode, rng)
        assert np.array_equal(payload, trip.payload[inside]) == (mode == "copy")
        assert not payload[np.arange(8) >= trip.dlc[inside][:, None]].any()


def placed(kind: str, car: Car, trip: Frames, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Times of forged and of genuine frames of the victim."""
    out = forge(trip, [Strike(kind, BEGIN, END, 0.02)], car.bit_time, np.random.default_rng(seed))
    victim = out.id == out.id[out.label == 1][0]
    return out.timestamp[victim & (out.label == 1)], trip.timestamp[trip.id == out.id[out.label == 1][0]]


def test_evaders_stand_where_they_mean_to(car: Car, trip: Frames) -> None:
    near = 3e-3  # another frame may have the bus just then
    for seed in range(5):
        forged, own = placed("evade_midpoint", car, trip, seed)
        middle = (own[:-1] + own[1:]) / 2
        assert np.median([np.abs(middle - t).min() for t in forged]) < near
        forged, own = placed("evade_before", car, trip, seed)
        assert np.median([np.abs(own - t).min() for t in forged]) < 3e-3
        forged, own = placed("evade_least_gap", car, trip, seed)
        least = np.diff(own[own < BEGIN]).min(initial=np.diff(own).max())
        assert np.median([abs(t - own[own < t].max() - least) for t in forged]) < near
        forged, own = placed("evade_doubled", car, trip, seed)
        assert abs(len(forged) - (own >= BEGIN).sum()) <= 1
        for kind in ("evade_creeping", "evade_slow_start"):
            forged, own = placed(kind, car, trip, seed)
            gaps = np.diff(forged)
            assert len(gaps) < 3 or gaps[0] > gaps[-1] - near


def test_what_an_evader_gives_up_is_counted(car: Car, trip: Frames, capsys: pytest.CaptureFixture) -> None:
    for kind in EVADERS:
        cost = given_up(trip, Strike(kind, BEGIN, END, 1e-3), car.bit_time, 0)
        payload_only = kind in ("evade_offset", "evade_drift")
        assert cost["plain"] > 0 and cost["evading"] >= 0
        assert cost["given_up"] == (0 if payload_only else 1 - cost["evading"] / cost["plain"])
        assert cost["plain"] == 3000 or payload_only
    assert commands.evaders(1e-3, 2.0, 2, 0) == 0
    out = capsys.readouterr().out
    assert all(kind in out for kind in EVADERS)


def test_every_attack_can_be_written_as_a_file(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for kind in EVADERS:
        commands.write_capture(tmp_path / f"{kind}.log", "candump", kind, 0.02, 6.0, 0)
    assert " 0 injected" not in capsys.readouterr().out
    intervals = {k: (tmp_path / f"{k}.log.intervals.json").read_text() for k in EVADERS}
    assert "[2.0, 6.0]" in intervals["evade_doubled"] and "[2.0, 4.0]" in intervals["evade_midpoint"]


def of(frames: Frames, begins: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether windows are attacked, and their first and last times."""
    attacked = np.array([frames.label[b : b + size].any() for b in begins], bool)
    return attacked, frames.timestamp[begins], frames.timestamp[begins + size - 1]


def test_drawn_windows_share_no_frame_and_keep_their_shares(drives: Sequence[Drive]) -> None:
    young = total = 0
    for d in drives:
        attacked, _, last = of(d.frames, d.begins, 50)
        assert (np.diff(d.begins) >= 50).all() and len(d.begins) <= DRIVES.drawn[1]
        assert attacked.sum() <= DRIVES.attacked * len(d.begins)
        young += int((last - d.frames.timestamp[0] < YOUNG).sum())
        total += len(d.begins)
    assert total > 25 * len(drives) and young >= 0.1 * total
    one_frame = sum(int(d.frames.label[b : b + 50].sum() == 1) for d in drives for b in d.begins)
    assert one_frame > 0, "down to one forged frame"


def test_benign_windows_near_an_attack_are_masked(drives: Sequence[Drive]) -> None:
    masked = 0
    for d in drives:
        attacked, first, last = of(d.frames, d.begins, 50)
        forged = d.frames.timestamp[d.frames.label == 1]
        for a, z in zip(first[~attacked], last[~attacked], strict=True):
            assert not ((forged >= a - SPILL_OVER) & (forged <= z + SPILL_OVER)).any()
            for s in d.strikes:
                assert s.kind != "suppress" or z < s.begin or a > s.end + SPILL_OVER
        masked += bool(len(forged))
    assert masked > 20


def test_a_bus_that_says_nothing_is_left_alone(car: Car, trip: Frames) -> None:
    quiet = trip.slice(0, 0)
    for kind in KINDS:
        assert not len(forge(quiet, [Strike(kind, BEGIN, END, 0.1)], car.bit_time, np.random.default_rng(0)))
    assert not len(drawn(quiet, [], DRIVES, 50, np.random.default_rng(0)))


def test_a_share_of_one_and_of_none(trip: Frames, car: Car) -> None:
    strikes = [Strike("dos", 3.0, 9.0, 0.005)]
    frames = forge(trip, strikes, car.bit_time, np.random.default_rng(0))
    for share in (0.0, 1.0):
        augmentation = DRIVES.model_copy(update={"attacked": share})
        attacked, *_ = of(frames, drawn(frames, strikes, augmentation, 50, np.random.default_rng(0)), 50)
        assert len(attacked) and attacked.any() == bool(share)


def test_attacks_follow_each_other_and_some_evade() -> None:
    kinds = set()
    gaps = []
    for seed in range(200):
        strikes = strikes_of(50.0, DRIVES, (), np.random.default_rng(seed))
        assert 3 <= len(strikes) <= 8 and all(0 <= s.begin < s.end <= 50.0 + 8 for s in strikes)
        plain = [s for s in strikes if s.kind != "evade_doubled"]
        assert all(a.end <= b.begin for a, b in pairwise(plain))
        kinds |= {s.kind for s in strikes}
        gaps += [s.gap for s in strikes]
    assert kinds == set(KINDS) and min(gaps) < 0.4e-3 and max(gaps) > 1.5
    assert {s.kind for s in strikes_of(50.0, DRIVES, ("systematic",), np.random.default_rng(0))} == {"systematic"}


def test_profiles_come_from_another_trip_of_the_same_car(drives: Sequence[Drive]) -> None:
    profiles = [d for d in drives if d.profile is not None]
    assert 5 < len(profiles) < len(drives)
    for d in profiles:
        own = set(np.unique(d.profile.id[d.profile.label == 0]).tolist())
        identifiers = set(np.unique(d.frames.id[d.frames.label == 0]).tolist())
        assert len(own & identifiers) > 0.6 * min(len(own), len(identifiers)), "the identifiers are those of one car"
    assert any(d.profile.label.any() for d in profiles) and not all(d.profile.label.any() for d in profiles)


def test_drives_cut_from_captures_have_other_identifiers_and_pauses(trip: Frames) -> None:
    car = CutCar.draw([trip], np.random.default_rng(0))
    frames = car.trip(60.0, np.random.default_rng(1))
    assert (np.diff(frames.timestamp) > 0).all() and frames.timestamp[-1] > 40
    assert np.diff(frames.timestamp).max() > 1.4, "the bus is off between two stretches"
    assert set(frames.id.tolist()) <= set(car.named[car.kept].tolist())
    assert not np.array_equal(np.unique(frames.id), np.unique(trip.id))


def test_drives_may_be_cut_from_what_lies_between_attacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDGAT_WORK", str(tmp_path))
    given: list[list[Frames]] = []
    monkeypatch.setitem(preparing.VIRTUAL, "drives", lambda *args: given.append(args[3]) or virtual_drive(*args))
    seconds = {}
    for source in ("attack-free", "all"):
        given.clear()
        prepare("synthetic", None, override(CONFIG, {"augmentation.cut_from": source}), 0)
        handed = max(given, key=len)
        assert handed, "drives of the part train are cut"
        for frames in (f for stretches in handed.values() for f in stretches):
            assert not frames.label.any()
        seconds[source] = sum(np.ptp(f.timestamp) for stretches in handed.values() for f in stretches)
    assert seconds["all"] > 1.2 * seconds["attack-free"] > 0
    for c in (c for c in sources.training_captures("synthetic") if c.attack != "benign"):
        recorded = Frames.from_table(c.frames())
        forged = recorded.timestamp[recorded.label == 1]
        own = [f for f in handed[c.vehicle] if np.isin(f.timestamp, recorded.timestamp).all()]
        for f in own:
            inside = (forged > f.timestamp[0] - SPILL_OVER) & (forged < f.timestamp[-1] + SPILL_OVER)
            assert not inside.any(), "farther from any attack than what it leaves behind"


def capture(name: str, vehicle: str, attack: str) -> Capture:
    return Capture("own", name, vehicle, attack, "train", None, "", "synthetic", "")


def test_a_profile_comes_from_another_recording_of_the_car() -> None:
    train = [
        capture("a/free-1", "soul", "benign"),
        capture("a/free-2", "soul", "benign"),
        capture("b/dos", "soul", "dos"),
        capture("a/own", "sonata", "benign"),
    ]
    assert [profile_source(c, train).name for c in train] == ["a/free-2", "a/free-1", "a/free-1", "a/own"]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=60), st.integers(0, 3))
def test_balanced_windows_are_as_many_of_each_vehicle(vehicles: list[str], seed: int) -> None:
    names = np.array(vehicles)
    sample = balanced(names, seed)
    counts = {name: int((names[sample] == name).sum()) for name in set(vehicles)}
    assert set(counts.values()) == {len(vehicles) // len(counts)} and (np.diff(sample) >= 0).all()
    times = np.bincount(sample, minlength=len(names))
    for name in counts:
        assert np.ptp(times[names == name]) <= 1, "each about as often as another"


CONFIG = override(
    PRESETS["smoke"],
    {
        "features": "memory", "augmentation.kind": "drives", "augmentation.vehicles": 12, "windows.max_windows": None,
        "augmentation.seconds": (20.0, 24.0), "windows.balance": "vehicle",
    },
)  # fmt: skip


def test_prepare_hands_over_whole_drives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """State runs over what lies between two windows; a real capture's profile is that of the same part."""
    monkeypatch.setenv("KDGAT_WORK", str(tmp_path))
    built: list[tuple[str, int, np.ndarray]] = []
    build = preparing.GraphStore.build

    def building(frames, size, features, profiles=None, **kw):
        built.extend((name, table.num_rows, begins) for name, _, table, begins in frames)
        return build(frames, size, features, profiles, **kw)

    monkeypatch.setattr(preparing.GraphStore, "build", building)
    prepared = prepare("synthetic", None, CONFIG, 0)
    virtual = {name: (n, begins) for name, n, begins in built if name.startswith("virtual-")}
    assert len(virtual) == 12 and all(n > 100 * len(begins) for n, begins in virtual.values())
    for part in ("train", "validation"):
        store = prepared.store(part)
        drawn_of = np.array(store.capture_names)[np.asarray(store.capture)]
        real = ~np.char.startswith(drawn_of, "virtual-")
        assert real.any() and not real.all()
        assert store.has_profile[real].mean() == 0.5, "each window without and with a profile"
        for c in (c for c in sources.training_captures("synthetic") if c.attack != "benign"):
            mine = drawn_of == c.name
            frames = Frames.from_table(c.frames())
            assert mine.any() and not spilled_over(frames, np.asarray(store.start)[mine], 100).any()
            assert spilled_over(frames, np.arange(0, len(frames) - 100, 100), 100).any()
    assert Config(preset="x").hash() == Config(preset="x", augmentation=Augmentation(kind="windows")).hash()
