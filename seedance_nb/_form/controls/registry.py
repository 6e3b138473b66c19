"""The control class of each kind of field."""

from seedance_nb._form.controls import scalars
from seedance_nb._form.controls.base import Control, OnChange, WidgetFactory
from seedance_nb._form.controls.choices import BranchControl, NullControl
from seedance_nb._form.controls.entries import ItemsControl, MapControl
from seedance_nb._form.controls.objects import ObjectControl
from seedance_nb._form.controls.text_list import ListControl
from seedance_nb._form.model.fields import Field

_KINDS: dict[str, type[Control]] = {
    **dict.fromkeys(("prose", "text", "json"), scalars.TextControl), **dict.fromkeys(("integer", "number"), scalars.NumberControl),
    "choice": scalars.ChoiceControl, "toggle": scalars.ToggleControl, "password": scalars.PasswordControl,
    "constant": scalars.ConstantControl, "list": ListControl, "object": ObjectControl, "items": ItemsControl,
    "map": MapControl, "branches": BranchControl,
}  # fmt: skip


def control_for(field: Field, factory: WidgetFactory, on_change: OnChange) -> Control:
    """The control of a field, for null too where the schema allows it."""
    if field.nullable:
        return NullControl(field, factory, on_change)
    has_choices = field.likely and not isinstance(field.likely, range)
    return (scalars.LikelyControl if has_choices else _KINDS[field.kind])(field, factory, on_change)
