"""What a model shows of its inside: activations, heads, weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pythia_cli.errors import InvalidValue
from pythia_cli.library.collecting import CollectingModel, several
from pythia_cli.model.open_model import OpenModel

if TYPE_CHECKING:  # generating needs none of these, and its first token waits for no import
    from pythia_cli.inside.activations import Activations
    from pythia_cli.inside.patches import Patch
    from pythia_cli.inside.saving import Saved
    from pythia_cli.inside.selection import KeptDtype
    from pythia_cli.measures.heads import HeadKind
    from pythia_cli.tables.records import Records

_Given = Mapping[str, Any]


class InspectedModel(CollectingModel):
    """An OpenModel that can be looked into."""

    def run(
        self,
        texts: Sequence[str | Sequence[int]],
        capture: str | Iterable[str] = "logits",
        *,
        patch: Mapping[str, Patch] | None = None,
        positions: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
        values: KeptDtype = "float32",
        bos: bool = False,
    ) -> list[Activations]:
        """Run texts, or token ids, and keep activations: for each, arrays by name (docs/inside.md).

        capture: names as in TransformerLens, or patterns such as "blocks.*.hook_resid_post"; also
        "logits". patch: arrays or functions by names or patterns, to put in the place of
        activations; a function is called with a copy of the values [n, ...] and a Hook as `hook`,
        and returns new ones, or None if it has changed its copy. positions, heads: those that are
        kept; None: all. values: what is kept is rounded to that. bos: put <|endoftext|> before each
        text. Raises UnknownName, InvalidValue, UsageError for a text that does not fit the context.

        >>> (found,) = model.run(["It was not"], ["blocks.*.hook_resid_post"], positions=[-1])
        >>> found["blocks.0.hook_resid_post"].shape
        (1, 128)
        """
        from pythia_cli.inside.running import run

        return run(
            self,
            texts,
            capture,
            patch=patch,
            positions=positions,
            heads=heads,
            values=values,
            bos=bos,
        )

    def save_activations(
        self,
        texts: Iterable[str | _Given],
        capture: str | Iterable[str],
        path: str | Path,
        *,
        positions: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
        values: KeptDtype = "float32",
        bos: bool = False,
        column: str | None = None,
    ) -> Saved:
        """As `run`, streamed to a .safetensors or .npy file with a manifest (docs/inside.md).

        texts: texts, or mappings of columns, of which `column` (default: "text") is the text; token
        ids are for `run`. Raises InputError for a text that does not fit the context or lacks a
        position, TooLarge, NoRoom and ResourceError; nothing is written then.
        """
        from pythia_cli.inside.saving import save_activations
        from pythia_cli.inside.selection import Selection
        from pythia_cli.tables.text_items import TextItems

        selection = Selection.of(self.config, capture, positions, heads, values)
        items = TextItems(several("texts", texts), column, "texts")
        return save_activations(self, items, Path(path), selection, bos=bos)

    def compare_with_float32(
        self,
        texts: Iterable[str | _Given],
        capture: str | Iterable[str],
        *,
        positions: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
        bos: bool = False,
        column: str | None = None,
    ) -> Records:
        """How far int8 activations are from those of float32 (docs/inside.md), a row for each.

        The arguments are those of `save_activations`. Raises UsageError for a model in float32,
        NoFloatWeights, and as `save_activations`.

        >>> (row,) = model.compare_with_float32(["It was not"], "blocks.5.hook_resid_post")
        >>> row["relative_error"] < 0.02
        True
        """
        from pythia_cli.inside.difference import compared_with_float32
        from pythia_cli.inside.selection import Selection
        from pythia_cli.tables.text_items import TextItems

        selection = Selection.of(self.config, capture, positions, heads)
        items = TextItems(several("texts", texts), column, "texts")
        return compared_with_float32(self, items, selection, bos=bos)

    def lens(
        self,
        texts: Iterable[str | _Given],
        *,
        top: int = 5,
        tuned: str | Path | None = None,
        positions: Sequence[int] | None = None,
        bos: bool = False,
        column: str | None = None,
        skip_errors: bool = False,
    ) -> Records:
        """What each layer predicts (docs/lens.md): a row for each layer and position.

        top: how many of the likeliest tokens. tuned: folder or file of a tuned lens; None: the
        logit lens. positions, bos: as in `run`. texts, column, skip_errors: as in `surprisal`.
        Raises InvalidValue, InputError for a text longer than the context, and for a tuned lens
        that does not fit, NotFound, IntegrityError.

        >>> [row["rank"] for row in model.lens(["It was"], positions=[0])]  # of " was"
        [465, 1, 1, 0, 0, 0, 0]
        """
        from pythia_cli.measures.lens import LensOptions
        from pythia_cli.measures.lens_items import LENS_COLUMNS, lens_measure

        options = LensOptions(top, positions, bos, None if tuned is None else Path(tuned))
        options.check(self.config)
        measure = lens_measure(options)
        return self._collect("texts", texts, column, LENS_COLUMNS, measure, skip_errors)

    def heads(
        self,
        kinds: Sequence[HeadKind] | None = None,
        *,
        n_sequences: int = 100,
        length: int = 50,
        seed: int = 0,
        bos: bool = False,
        exclude_bos: bool = False,
        exclude_current_token: bool = False,
    ) -> Records:
        """Where attention heads look on random tokens that repeat (docs/inside.md), a row a head.

        kinds: "induction", "previous-token", "duplicate-token"; None: all. n_sequences, length: so
        many sequences of `length` random tokens, twice each. bos: with <|endoftext|> before each.
        exclude_bos, exclude_current_token: attention to the first position, or of a token to
        itself, counts as 0. Raises InvalidValue.

        >>> rows = model.heads(["previous-token"], n_sequences=10)
        >>> best = max(rows, key=lambda row: row["score"])
        >>> best["layer"], best["head"]
        (2, 0)
        """
        from pythia_cli.measures.head_items import HEAD_COLUMNS, KIND, head_measure
        from pythia_cli.measures.heads import KINDS, HeadOptions

        options = HeadOptions(n_sequences, length, seed, bos, exclude_bos, exclude_current_token)
        options.check(self.config.n_ctx)
        given = [{KIND: kind} for kind in (KINDS if kinds is None else several("kinds", kinds))]
        measure = head_measure(options)
        return self._collect("kinds", given, KIND, HEAD_COLUMNS, measure, False, left_out=[KIND])

    def weight_figures(
        self,
        previous: OpenModel | None = None,
        *,
        parameters: Iterable[str] = ("*",),
        singular_values: bool = False,
    ) -> Records:
        """Norms and spectra of each parameter (docs/weights.md), as rows of a table.

        They are of the float weights, whatever the model was opened as. previous: an earlier
        checkpoint, open or closed, to measure distances from. parameters: names without their
        layers, or patterns such as "attention.*". singular_values: with a column of them, each an
        array [n] float64. Raises NoFloatWeights, UnknownName, and InvalidValue if `previous` is of
        another shape.

        >>> (row,) = model.weight_figures(parameters=["embed_out.weight"])
        >>> round(row["frobenius_norm"], 1), round(row["effective_rank"], 1)
        (72.1, 104.1)
        """
        from pythia_cli.measures.weight_items import collect_figures

        self._check_open()
        if not isinstance(previous, OpenModel | None):
            raise InvalidValue("previous", previous, "a model, or None")
        wanted = several("parameters", parameters)
        return collect_figures(self, previous, wanted, singular_values=singular_values)
