"""A form that is made from a config class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import ValidationError
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_segtrain.config import Config
from napari_segtrain.errors import ConfigError
from napari_segtrain.ui.widgets.folding import Folding
from napari_segtrain.ui.widgets.forms.panel import (
    INDENT,
    KindsEditor,
    Panel,
    WrongValueError,
    read_editors,
)
from napari_segtrain.ui.widgets.forms.sentences import first_problem
from napari_segtrain.ui.widgets.forms.shapes import FieldShape, Section, fields_of
from napari_segtrain.ui.widgets.forms.words import title_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import BaseModel

    from napari_segtrain.ui.widgets.forms.editors import Editor


C = TypeVar("C", bound=Config)


class ConfigForm(QWidget, Generic[C]):
    """Shows a config and lets it be changed.

    Sections are built when they are first unfolded; until then they keep what
    `set_config` gave them.

    Parameters
    ----------
    config : Config or type of Config
        What is shown at first, or a class with defaults for all.
    basic : sequence of str
        Paths of fields that stand on top, such as ``training.length``; the others
        are folded away.
    hidden : sequence of str
        Paths of fields or sections that are not shown; their values are kept.
    extras : mapping of str to QWidget, optional
        What stands on top of sections, by their paths.
    title : str
        Of what is folded away.

    Raises
    ------
    ValueError
        When a path leads to no field, a section is called basic, or an extra is given
        for a field.
    """

    changed = Signal()
    """Something was changed, by the user or by `set_config`; it may be wrong now."""

    def __init__(
        self,
        config: C | type[C],
        *,
        basic: Sequence[str] = (),
        hidden: Sequence[str] = (),
        extras: Mapping[str, QWidget] | None = None,
        title: str = "&Advanced",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._title = title
        self._base: C = config() if isinstance(config, type) else config
        self._hidden = frozenset(hidden)
        self._basic = tuple(basic)
        self._extras = extras or {}
        self._resolved: dict[str, Any] = {}
        self._unseen: set[str] = set()
        self._fixed: dict[str, Any] = {}
        self._own: dict[str, Any] = {}
        self._editors: dict[str, Editor] = {}
        self._foldings: dict[str, Folding] = {}
        self._is_setting = False
        self._check_paths()
        for extra in self._extras.values():  # no place before its section is built
            extra.setParent(self)
            extra.hide()
        self._build_layout()

    def config(self) -> C:
        """Return what the form shows, as a config of its class.

        Raises
        ------
        ConfigError
            With one sentence about the first setting that is wrong.
        """
        _, sentence, config = self._read()
        if config is None:
            raise ConfigError(sentence)
        return config

    def problem(self) -> str | None:
        """Return what is wrong, in one sentence; ``None`` when all is well."""
        return self._read()[1] or None

    def set_config(self, config: C) -> None:
        """Show another config of the same class.

        Raises
        ------
        TypeError
            When it is of another class.
        """
        if type(config) is not type(self._base):
            expected = type(self._base).__name__
            raise TypeError(f"This form shows {expected}, not {type(config).__name__}.")
        self._base = config
        self._own = {path: _value_at(config, path) for path in self._fixed}
        changed = [path for path in self._editors if path not in self._fixed]
        self._show({path: _value_at(config, path) for path in changed})

    def set_fixed(self, values: Mapping[str, Any]) -> None:
        """Show fields that cannot be changed for a while, as a model decides them.

        What was chosen there does not count meanwhile, and comes back once the field is
        not named any more.

        Parameters
        ----------
        values : mapping
            By path, such as ``{"network": UNetConfig(depth=3)}``.

        Raises
        ------
        ValueError
            When a path leads to no field, or to a section.
        """
        known = dict(_walk(type(self._base)))
        for path in values:
            if path not in known or isinstance(known[path].shape, Section):
                raise ValueError(f"This form has no field {path!r}.")
        chosen = self._read()[2] or self._base
        own = {p: self._own.get(p, _value_at(chosen, p)) for p in values}
        back = {p: value for p, value in self._own.items() if p not in values}
        self._own, self._fixed = own, dict(values)
        self._show({**back, **values})

    def _show(self, values: Mapping[str, Any]) -> None:
        """Show values in the editors that are built, and tell once."""
        self._is_setting = True
        try:
            for path, editor in self._editors.items():
                if path in values:
                    editor.set_value(values[path])
                    editor.set_changeable(is_changeable=path not in self._fixed)
        finally:
            self._is_setting = False
        self._on_editor_changed()

    def set_resolved(self, values: Mapping[str, Any]) -> None:
        """Show in grey what a plan chose where the form says auto.

        Parameters
        ----------
        values : mapping
            By path, such as ``{"sampling.patch_size": (1, 192, 192)}``; what is not
            named is forgotten.
        """
        self._resolved = dict(values)
        for path, editor in self._editors.items():
            self._resolve(path, editor)

    def set_shown(self, section: str, *, is_shown: bool) -> None:
        """Show a section, or hide it for a while.

        While it is hidden its settings have their defaults; what was typed or set in it
        comes back with it.

        Raises
        ------
        ValueError
            When there is no such section.
        """
        field = dict(_walk(type(self._base))).get(section)
        if field is None or not isinstance(field.shape, Section):
            raise ValueError(f"This form has no section {section!r}.")
        self._unseen = (
            self._unseen - {section} if is_shown else self._unseen | {section}
        )
        if section in self._foldings:
            self._foldings[section].setHidden(not is_shown)

    def unfold(self, section: str) -> None:
        """Show what is in a section, such as ``augmentation.geometry``.

        Raises
        ------
        ValueError
            When there is no such section.
        """
        path = ""
        for name in ("", *section.split(".")):
            path = f"{path}.{name}" if path else name
            if path not in self._foldings:
                raise ValueError(f"This form has no section {section!r}.")
            self._foldings[path].unfold()

    def unfold_all(self) -> None:
        """Show everything, which builds everything."""
        shown: set[str] = set()
        while folded := self._foldings.keys() - shown:  # a section may bring others
            for path in folded:
                self._foldings[path].unfold()
            shown |= folded

    def _check_paths(self) -> None:
        known = dict(_walk(type(self._base)))
        for path in (*self._basic, *self._hidden, *self._extras):
            if path not in known:
                raise ValueError(f"{type(self._base).__name__} has no field {path!r}.")
        for path in self._basic:
            if isinstance(known[path].shape, Section):
                raise ValueError(f"{path!r} is a section; name its fields.")
        for path in self._extras:
            if not isinstance(known[path].shape, Section):
                raise ValueError(f"{path!r} is no section; it has no room for more.")

    def _build_layout(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        known = dict(_walk(type(self._base)))
        panel = Panel()
        for path in self._basic:
            self._add_field(panel, path, known[path])
        if self._basic:
            layout.addWidget(panel)
        if any(self._is_shown(path, known[path]) for path in known):
            advanced = self._fold(self._title, type(self._base), "")
            layout.addWidget(advanced)

    def _fold(self, title: str, model: type[BaseModel], prefix: str) -> Folding:
        level = prefix.count(".")

        def build() -> QWidget:
            return self._build_section(model, prefix)

        folding = Folding(title, build=build, indent=level * INDENT)
        self._foldings[prefix.removesuffix(".")] = folding
        return folding

    def _build_section(self, model: type[BaseModel], prefix: str) -> Panel:
        """Rows first, then the sections, each folded away."""
        panel = Panel(prefix.count(".") + 1)
        extra = self._extras.get(prefix.removesuffix("."))
        if extra is not None:
            panel.add_widget(extra)
            extra.show()
        fields = [(prefix + field.name, field) for field in fields_of(model)]
        shown = [pair for pair in fields if self._is_shown(*pair)]
        for path, field in shown:
            if not isinstance(field.shape, Section):
                self._add_field(panel, path, field)
        for path, field in shown:
            if isinstance(field.shape, Section):
                title = title_of(field.name)
                folding = self._fold(title, field.shape.model, f"{path}.")
                folding.setToolTip(field.help)
                panel.add_widget(folding)
                folding.setHidden(path in self._unseen)
        return panel

    def _is_shown(self, path: str, field: FieldShape) -> bool:
        """Whether a field has its place among the advanced ones."""
        if path in self._basic or path in self._hidden or field.is_fixed:
            return False
        if not isinstance(field.shape, Section):
            return True
        inner = fields_of(field.shape.model)
        return any(self._is_shown(f"{path}.{part.name}", part) for part in inner)

    def _add_field(self, panel: Panel, path: str, field: FieldShape) -> None:
        editor = self._editors[path] = panel.add_field(field)
        editor.set_value(self._fixed.get(path, _value_at(self._base, path)))
        editor.set_changeable(is_changeable=path not in self._fixed)
        editor.changed.connect(self._on_editor_changed)
        self._resolve(path, editor)

    def _resolve(self, path: str, editor: Editor) -> None:
        if isinstance(editor, KindsEditor):
            start = f"{path}."
            inner = {
                name.removeprefix(start): value
                for name, value in self._resolved.items()
                if name.startswith(start)
            }
            editor.set_resolved(inner)
        else:
            editor.set_resolved(self._resolved.get(path))

    def _read(self) -> tuple[str, str, C | None]:
        """Path and sentence of the first problem, or empty and the config."""
        values = self._base.model_dump()
        for path in self._unseen:
            _put(values, path, _default_at(self._base, path))
        for path, value in self._fixed.items():
            _put(values, path, value)
        for path, editor in self._editors.items():
            if any(path.startswith(f"{section}.") for section in self._unseen):
                continue
            try:
                value = read_editors({path: editor})[path]
            except WrongValueError as error:
                return error.path, str(error), None
            _put(values, path, value)
        try:
            return "", "", type(self._base).model_validate(values)
        except ValidationError as error:
            return *first_problem(error, type(self._base)), None

    def _on_editor_changed(self) -> None:
        if self._is_setting:
            return
        self._mark_problem()
        self.changed.emit()

    def _mark_problem(self) -> None:
        wrong = self._read()[0]
        for path, editor in self._editors.items():
            editor.mark(is_wrong=path == wrong)
            if isinstance(editor, KindsEditor):
                for name, inner in editor.editors.items():
                    inner.mark(is_wrong=f"{path}.{name}" == wrong)


def _walk(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldShape]]:
    """Every field and section, with its path."""
    for field in fields_of(model):
        path = prefix + field.name
        yield path, field
        if isinstance(field.shape, Section):
            yield from _walk(field.shape.model, f"{path}.")


def _value_at(config: Config, path: str) -> Any:
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name)
    return value


def _default_at(config: Config, path: str) -> Any:
    *parents, name = path.split(".")
    owner = _value_at(config, ".".join(parents)) if parents else config
    return type(owner).model_fields[name].get_default(call_default_factory=True)


def _put(values: dict[str, Any], path: str, value: Any) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        values = values[parent]
    values[name] = value
