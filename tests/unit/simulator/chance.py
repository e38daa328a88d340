"""One schedule for each seed: quicker than Hypothesis, and denser where processes overlap."""

from random import Random

from unit.simulator.checks import CommitCheck, check_end
from unit.simulator.load import PATIENTS
from unit.simulator.world import NAMES, Loop, MakeLoop, World

STOPS = (
    (
        "after read",
        "fold one",
        "save one",
        "between store and publish",
        "after store",
        "after dead letter",
        "before commit",
    ),
    ("after dirty", "after of_patients", "after merged_into", "write", "after write", "mark_settled"),
)
"""Points worth dying at, of the consumer and of the settler."""

TASKS = [(name, 0) for name in NAMES] + [(name, 1) for name in NAMES if name.startswith("risk")] * 2


def play(seed: int, make_loop: MakeLoop = Loop) -> World:
    """Plays the schedule of a seed to its end, and checks all that must hold; the world as it is then."""
    rng = Random(seed)
    world = World(make_loop)
    check_commits = CommitCheck(world)
    kinds = rng.sample(range(5), 2) * 2 + [0, 1, 2, 3]  # each seed has its favourites
    patients = PATIENTS[: rng.choice((2, 3, 4))]
    if rng.random() < 0.7:  # much is known and settled already: what goes wrong now stays wrong
        for who in patients:
            world.load.contact(who, rng.randrange(3))
            world.load.appointment(who, 0, rng.choice((0, 1, 2)))
        world.heal()
    frozen = ""
    for _ in range(rng.choice((1, 1, 2, 3, 8, 20))):
        for _ in range(rng.choice((1, 1, 2, 4))):
            _publish(world, rng, rng.choice(kinds), rng.choice(patients))
        if rng.random() < 0.5:
            _consume(world, frozen)
        _disturb(world, rng)
        for _ in range(rng.choice((1, 2, 5))):
            name, task = rng.choice(TASKS)
            if name != frozen and _runs_into(world, rng, name, task):
                if rng.random() < 0.5:
                    world.kill(name)
                    world.group_of(name).put_out(name)
                else:
                    frozen = name  # until another is
        check_commits()
    world.heal()
    check_commits()
    check_end(world)
    return world


def _consume(world: World, frozen: str) -> None:
    """Everybody folds what is there, and nobody settles."""
    for name in NAMES:
        for _ in range(0 if name == frozen else 80):
            world.step(name, 0)


def _runs_into(world: World, rng: Random, name: str, task: int) -> bool:
    """Runs some steps, or to just behind an effect: whether it stands there now."""
    if rng.random() < 0.5:
        for _ in range(rng.choice((1, 3, 10, 30))):
            world.step(name, task)
        return False
    stop = rng.choice(STOPS[task])
    return any(world.step(name, task) == stop for _ in range(100))


def _publish(world: World, rng: Random, kind: int, who: str) -> None:
    version = rng.randrange(8)
    if kind == 0:
        world.load.contact(who, version)
    elif kind == 1:
        world.load.appointment(who, rng.randrange(2), version)
    elif kind == 2:
        world.load.outreach(who, rng.randrange(4), version)
    elif kind == 3:
        world.load.poisoned(who, rng.randrange(10))
    elif rng.random() < 0.3:
        world.directory.revision += 1


def _disturb(world: World, rng: Random) -> None:
    name, chance = rng.choice(NAMES), rng.random()
    if chance < 0.08:
        world.kill(name)
        world.group_of(name).put_out(name)
    elif chance < 0.3:
        world.start(name)
    elif chance < 0.4:
        world.group_of(name).put_out(name)
    elif chance < 0.5:
        world.group_of(name).rebalance()
    elif chance < 0.55:
        world.database.away = True
    elif chance < 0.75:
        world.database.away = False
