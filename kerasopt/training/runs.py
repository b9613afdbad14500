"""Several techniques in one run."""

from collections.abc import Sequence

from kerasopt.training.run import Run


class Runs(Run):
    """Combines several runs; those that attach nothing to the model are skipped.

    Args:
        runs: The runs; they share the attachments of this one.
    """

    def __init__(self, runs: Sequence[Run]):
        self._runs = list(runs)
        self.active: list[Run] = []

    def attach(self, model):
        for run in self._runs:  # all of them: if one fails to attach, the others are detached, too
            run.attachments = self.attachments
        for run in self._runs:
            found = len(self.attachments.links)
            run.attach(model)
            if len(self.attachments.links) > found:
                self.active.append(run)

    def detach(self):
        for run in self._runs:
            run.detach()

    def check(self, horizon):
        for run in self.active:
            run.horizon = horizon
            run.check(horizon)

    def span(self, horizon):
        begins, ends = zip(*(run.span(horizon) for run in self.active), strict=True)
        return min(begins), max(ends)

    def next_due(self, update, horizon):
        due = [run.next_due(update, horizon) for run in self.active]
        return min((moment for moment in due if moment is not None), default=None)

    def on_update(self, update, horizon):
        for run in self.active:
            run.on_update(update, horizon)

    def on_epoch_begin(self, epoch):
        for run in self.active:
            run.on_epoch_begin(epoch)

    def on_epoch_end(self, logs):
        for run in self.active:
            run.on_epoch_end(logs)

    def end(self):
        for run in self.active:
            run.end()

    def finish(self):
        for run in self.active:
            run.finish()
