"""Trains small models in many ways, as one of several ranks, and leaves the histories as JSON.

`python -m tests.slow.rank_program OUT NUM_RANKS NAME...` launches ranks that do the named things.
"""

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import torch

from steerlm_jobs.contract.errors import DivergedError, InterruptedStageError
from steerlm_jobs.contract.recipes import Lora
from steerlm_jobs.models.apm import Apm
from steerlm_jobs.models.lora import add_adapters, trained_parameters
from steerlm_jobs.process.stop import StopFlag
from steerlm_jobs.train.engine import ParameterGroup
from steerlm_jobs.train.engine_choice import chosen_engine
from steerlm_jobs.train.launcher import Nodes, launch
from steerlm_jobs.train.loop import train
from steerlm_jobs.train.objectives import AcsftObjective, ApmExample, ApmObjective
from steerlm_jobs.train.process_group import Meeting
from tests.unit.models.builders import a_model
from tests.unit.train.builders import (
    a_context,
    a_layout,
    a_task,
    a_training,
    an_objective,
    examples,
)

TRAINING = {"epochs": 4, "learning_rate": 1e-3}
PACKED, PADDED = a_layout(), a_layout(is_packed=False)
ONE_BY_ONE = a_layout(micro_batch_tokens=1)
WHOLE = a_layout(micro_batch_tokens=10_000)
BF16 = {"precision": "Bf16"}
PLAIN, ZERO_1, ZERO_2, ZERO_3 = (
    {"engine": "Plain"},
    *({"engine": "DeepSpeed", "zero_stage": stage} for stage in (1, 2, 3)),
)
ENGINES = {"plain": PLAIN, "zero1": ZERO_1, "zero2": ZERO_2, "zero3": ZERO_3}
LAYOUTS = {"packed": PACKED, "padded": PADDED, "one-by-one": ONE_BY_ONE, "whole": WHOLE}


class Disturbed(AcsftObjective):
    """Does something while some of its losses are computed, on one rank."""

    def __init__(self, inner, calls, disturb):
        super().__init__(inner.module)
        self._calls, self._disturb, self._count = calls, disturb, 0

    def loss_sum(self, batch, device):
        loss = super().loss_sum(batch, device)
        if self.module.training:
            self._count += 1
            if self._count in self._calls:
                return self._disturb(loss)
        return loss


class Program:
    """One rank's work."""

    def __init__(self, out, ranks):
        self._out, self._ranks = out, ranks
        self._name = ""

    def run(self, name):
        self._name = name
        kind, *words = name.split(",")
        value = getattr(self, f"_{kind}")(*words)
        if not self._ranks.rank:
            (self._out / f"{self._ranks.size},{name}.json").write_text(json.dumps(value))

    def _history(self, engine, layout, precision="Fp32"):
        return self._trained(engine, layout, precision=precision)

    def _resumed(self, engine, layout):
        """Stop in step 7, on the last rank only; go on to the end."""
        folder, is_last = f"resumed-{engine}", self._ranks.rank == self._ranks.size - 1
        stop = StopFlag()

        def ask(loss):
            stop.set()
            return loss

        disturbed = Disturbed(an_objective(), {12} if is_last else set(), ask)
        try:
            self._trained(engine, layout, folder=folder, objective=disturbed, stop=stop)
        except InterruptedStageError:
            return self._trained(engine, layout, folder=folder, attempt=2)
        raise AssertionError("a rank was not interrupted")

    def _judged(self, engine, layout):
        """Train backbone and head on answers of which one, two or three labels are known."""
        generator = torch.Generator().manual_seed(5)

        def labelled(rows):
            for place, e in enumerate(rows):
                known_A = torch.tensor([True, place % 2 == 0, place % 5 == 0])
                labels_A = torch.rand(3, generator=generator).where(known_A, torch.nan)
                yield ApmExample(e.ids, labels_A, known_A, "s")

        apm = Apm(a_model().base_model, 3)
        torch.nn.init.normal_(apm.head.weight, std=0.1, generator=generator)
        rows, held_out = list(labelled(examples(40))), list(labelled(examples(6, seed=1)))
        return self._trained(
            engine, layout, objective=ApmObjective(apm), data=(rows, held_out), rate=3e-4
        )

    def _left(self, engine, layout):
        """Stop in the middle and leave the checkpoint to others."""
        stop = StopFlag()

        def ask(loss):
            stop.set()
            return loss

        try:
            self._trained(
                engine,
                layout,
                folder=f"left-{engine}-on-{self._ranks.size}",
                objective=Disturbed(an_objective(), {12}, ask),
                stop=stop,
            )
        except InterruptedStageError:
            return {}
        raise AssertionError("it was not interrupted")

    def _taken(self, engine, layout, left_by):
        """Go on from a checkpoint of another engine and world size: one, or two."""
        return self._trained(
            engine, layout, folder=f"left-{left_by}-on-{3 - self._ranks.size}", attempt=3
        )

    def _bad(self, engine, layout, *calls):
        """Let some losses of the last rank be NaN."""
        is_last = self._ranks.rank == self._ranks.size - 1
        bad = set(map(int, calls)) if is_last else set()
        objective = Disturbed(an_objective(), bad, lambda loss: loss * math.nan)
        try:
            return self._trained(engine, layout, objective=objective)
        except DivergedError as error:
            return str(error)

    def _exploded(self, engine, layout):
        """Let the gradient, not the loss, of the last rank be infinite in one step."""
        is_last = self._ranks.rank == self._ranks.size - 1
        objective = Disturbed(
            an_objective(), {3} if is_last else set(), lambda loss: loss + (loss - loss).sqrt()
        )
        return self._trained(engine, layout, objective=objective)

    def _dtypes(self, engine):
        """Train head and adapters on a bf16 backbone; return dtypes and how far all moved."""
        backbone = a_model(num_rows=400).model.to(torch.bfloat16)
        add_adapters(backbone, Lora(rank=4, alpha=8), [3, 4, 5], seed=0)
        apm = Apm(backbone, 2)
        groups = [
            ParameterGroup({f"{part}.{n}": p for n, p in trained_parameters(module).items()}, rate)
            for part, module, rate in (("backbone", backbone, 1e-4), ("head", apm.head, 1e-3))
        ]
        before = {n: p.detach().clone() for g in groups for n, p in g.parameters.items()}
        training = a_training(**TRAINING, **BF16)
        context = self._context("dtypes", ENGINES[engine])
        made = chosen_engine(apm, groups, training, context)
        rows = [
            ApmExample(e.ids, torch.rand(2, generator=torch.manual_seed(i)), torch.ones(2) > 0, "s")
            for i, e in enumerate(examples(40))
        ]
        task = replace(
            a_task(AcsftObjective(None), training),
            objective=ApmObjective(apm),
            examples=rows,
            validation=(),
        )
        history = train(task, made, context)
        with made.whole():
            dtypes = {n: str(p.dtype) for n, p in apm.named_parameters()}
            shapes = {n: list(p.shape) for n, p in apm.named_parameters()}
        after = made.weights()
        state = {str(t.dtype) for t in made.optimizer_state().values()}
        moved = {n: float((after[n] - before[n]).abs().max()) for n in after}
        return {
            "losses": history.losses,
            "dtypes": dtypes,
            "shapes": shapes,
            "masters": sorted({str(t.dtype) for t in after.values()}),
            "state": sorted(state),
            "moved": moved,
        }

    def _whole(self, engine):
        """Return how far live logits are from those of a plain model with the masters."""
        objective = an_objective()
        training = a_training(**TRAINING)
        context = self._context(f"whole-{engine}", ENGINES[engine])
        made = self._engine(objective, training, context)
        train(a_task(objective, training), made, context)
        ids = torch.arange(5, 25)[None]
        with torch.no_grad():
            live = objective.module.model(ids, use_cache=False).logits
            weights = made.weights()
            other = an_objective()
            with made.whole():
                values = {n: p.detach().clone() for n, p in objective.module.named_parameters()}
            for name, parameter in other.module.named_parameters():
                parameter.copy_(values[name])
            exported = other.module.model(ids, use_cache=False).logits
        same = all(torch.equal(values[n], w) for n, w in weights.items())
        return {"distance": float((live - exported).abs().max()), "masters": same}

    def _trained(self, engine, layout, *, precision="Fp32", folder=None, **more):
        folder = folder or self._name
        objective = more.pop("objective", None) or an_objective()
        data = dict(zip(("examples", "validation"), more.pop("data", ()), strict=False))
        rate = {"learning_rate": more.pop("rate", TRAINING["learning_rate"])}
        training = a_training(**{**TRAINING, **rate}, precision=precision)
        context = self._context(folder, ENGINES[engine], **more)
        made = self._engine(objective, training, context)
        task = a_task(objective, training, layout=LAYOUTS[layout], **data)
        history = train(task, made, context)
        weights = made.weights()
        digest = sum(float(t.double().abs().sum()) for t in weights.values())
        return {**history.to_json(), "weights": digest}

    def _engine(self, objective, training, context):
        groups = [ParameterGroup(dict(objective.module.named_parameters()), training.learning_rate)]
        return chosen_engine(objective.module, groups, training, context)

    def _context(self, folder, execution, *, stop=None, **more):
        made = a_context(self._out / folder, **execution, **more)
        scratch = made.scratch / f"rank-{self._ranks.rank}"
        scratch.mkdir(parents=True, exist_ok=True)
        return replace(made, scratch=scratch, ranks=self._ranks, stop=stop or StopFlag())


def main(out, num_ranks, *names):
    if num_ranks == "rank":
        ranks = Meeting.from_environment().connect()
        program = Program(Path(out), ranks)
        for name in names:
            program.run(name)
        return 0
    command = [sys.executable, "-m", "tests.slow.rank_program", out, "rank", *names]
    ended = launch(command, Nodes(), int(num_ranks), "test", StopFlag())
    return max(map(abs, ended.exit_codes.values()), default=0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
