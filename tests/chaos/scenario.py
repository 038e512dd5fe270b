"""What happens in one scenario, all of it drawn from its seed: model, origin, faults, processes."""

import dataclasses
import random

import faults

CONNECTIONS = [1, 1, 2, 3, 4, 8, 16, 16]


@dataclasses.dataclass(frozen=True)
class Run:
    """One castool. `signal` comes after `after` seconds; None lets it end by itself."""

    signal: str | None = None
    after: float = 0.0


@dataclasses.dataclass(frozen=True)
class Step:
    """Processes that run at once; damage to partials comes after them."""

    runs: tuple
    damage: int = 0  # how many places


@dataclasses.dataclass
class Scenario:
    seed: int
    origin: str = "hub"
    model: int = 0
    connections: int = 1
    settings: dict = dataclasses.field(default_factory=dict)
    rules: list = dataclasses.field(default_factory=list)
    kinds: list = dataclasses.field(default_factory=list)
    steps: list = dataclasses.field(default_factory=list)
    fresh: bool = True  # there is no store yet
    must_succeed: bool = False  # whatever of it is not killed

    def describe(self):
        lines = [f"seed {self.seed}: {self.origin}, model {self.model}, "
                 f"{self.connections} connections, {'no' if self.fresh else 'empty'} store, {self.settings}"]
        lines += [f"  fault: {kind}: {rule}" for kind, rule in zip(self.kinds, self.rules)]
        lines += [f"  step: {step}" for step in self.steps]
        return "\n".join(lines)


def draw(seed, models):
    """The scenario of `seed`; `models` is how many there are at each origin."""
    chance = random.Random(seed)
    scenario = Scenario(seed, origin=chance.choice(["hub", "registry"]),
                        model=chance.randrange(models), connections=chance.choice(CONNECTIONS))
    scenario.fresh = chance.random() < 0.2
    scenario.settings = draw_settings(chance)
    mild = chance.random() < 0.5
    for _ in range(chance.choice([1, 1, 2] if mild else [1, 2, 3, 5])):
        add_fault(scenario, chance, mild)
    scenario.steps = draw_steps(chance)
    undamaged = not any(step.damage for step in scenario.steps)
    # Where the server takes few connections, one of two pulls may find none free for long.
    crowded = scenario.settings["max_connections"] and any(len(s.runs) > 1 for s in scenario.steps)
    scenario.must_succeed = mild and undamaged and not crowded
    return scenario


def draw_settings(chance):
    settings = {"latency_ms": 0, "max_connections": 0, "signature_seconds": 3600,
                "bytes_per_second": 0, "blob_style": "redirect", "regular_style": "redirect"}
    if chance.random() < 0.3:
        settings["latency_ms"] = chance.randrange(20)
    if chance.random() < 0.15:
        settings["bytes_per_second"] = chance.choice([8, 32]) << 20
    if chance.random() < 0.1:
        settings["max_connections"] = chance.randrange(4, 16)
    settings["blob_style"] = chance.choice(["redirect", "redirect", "found", "direct"])
    settings["regular_style"] = chance.choice(["redirect", "direct"])
    return settings


def add_fault(scenario, chance, mild):
    scopes = faults.SCOPES[scenario.origin]
    possible = {}
    for kind in faults.KINDS:
        for scope in kind.mild if mild else kind.scopes:
            # Two strikes that are counted alike may be one too many.
            again = mild and scenario.kinds and scope == "bytes"
            if scope in scopes and scope in kind.scopes and not again:
                possible.setdefault(kind, []).append(scope)
    kind = chance.choice(list(possible))
    scope = chance.choice(possible[kind])
    times = 1 if mild else chance.choice([1, 2, 3, 8, -1] if kind.may_last else [1, 2, 3, 8])
    scenario.kinds.append(f"{kind.name} ({scope})")
    scenario.rules.append({"match": dict(scopes[scope]), "times": times,
                           "after": chance.choice([0, 0, 0, 0, 1, 3]),
                           "action": kind.action(chance)})


def draw_steps(chance):
    def doomed(signal):
        # From before it has begun to long after it is done.
        return Run(signal, round(0.002 * 150 ** chance.random(), 4))

    whole = Run()
    plan = chance.choice(["plain"] * 5 + ["killed"] * 2 + ["killed often", "interrupted", "two",
                                                          "two, one killed"])
    damage = chance.choice([0, 0, 1, 5])
    if plan == "killed":
        return [Step((doomed("KILL"),), damage), Step((whole,))]
    if plan == "killed often":
        return [Step((doomed("KILL"),)) for _ in range(3)] + [Step((whole,))]
    if plan == "interrupted":
        return [Step((doomed(chance.choice(["INT", "TERM"])),)), Step((whole,))]
    if plan == "two":
        return [Step((whole, whole))]
    if plan == "two, one killed":
        return [Step((whole, doomed("KILL")))]
    return [Step((whole,))]
