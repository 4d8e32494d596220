"""Settings models read from environment variables; what is wrong is said by the variable's name."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, SecretStr, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from app.console import UsageError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

NOUNS = {
    "boolean": "a boolean",
    "integer": "an integer",
    "number": "a number",
    "array": "a list",
}


def _refuse_all_but_digits(given: object) -> object:
    """Refuse what pydantic would take for a whole number besides: 60.0, 6_0."""
    if isinstance(given, str) and not re.fullmatch(r"[+-]?[0-9]{1,18}", given):
        raise PydanticCustomError("whole_number", "not a whole number")
    return given


def _lower(given: object) -> object:
    return given.lower() if isinstance(given, str) else given


WholeNumber = Annotated[int, BeforeValidator(_refuse_all_but_digits)]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(_lower)
]
LogFormat = Annotated[Literal["text", "json"], BeforeValidator(_lower)]

Model = TypeVar("Model", bound="EnvironmentModel")


class EnvironmentModel(BaseSettings):
    """A field is read from the variable of its name in upper case; a blank variable is not set.

    Nothing else is read: no .env file, no other spelling.
    """

    model_config = SettingsConfigDict(frozen=True, hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let keyword arguments come before variables, for tests and tools."""
        return init_settings, Variables(settings_cls)


class Variables(PydanticBaseSettingsSource):
    """The environment, as far as the model has fields for it."""

    def __call__(self) -> dict[str, Any]:
        """Give the fields whose variable is set, a secret as it is, anything else stripped."""
        return {
            name: value if field.annotation is SecretStr else value.strip()
            for name, field in self.settings_cls.model_fields.items()
            if (value := _value(name)).strip()
        }

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """Give one variable, as the base class asks for."""
        return _value(field_name), field_name, False


def read_environment(model: type[Model]) -> Model:
    """Read the model, or raise a UsageError that names the first variable that is wrong."""
    schema: dict[str, Any] = model.model_json_schema()["properties"]
    for name in model.model_fields:
        # Bytes that are no UTF-8 come out of the environment as lone surrogates.
        if any("\ud800" <= character <= "\udfff" for character in _value(name)):
            raise _refusal(name, schema[name], "expected text in UTF-8")
    try:
        return model()
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
    name = str(fault["loc"][0])
    if fault["type"] == "missing":
        raise UsageError(f"{name.upper()} is not set: {schema[name]['description']}")
    if fault["type"] == "value_error":
        raise _refusal(name, schema[name], str(fault["ctx"]["error"]))
    raise _refusal(name, schema[name], f"expected {describe_type(schema[name])}")


def describe_type(schema: dict[str, Any]) -> str:
    """Say in words which values a field's JSON schema takes."""
    if choices := schema.get("enum"):
        return f"one of {', '.join(choices)}"
    noun = NOUNS.get(schema.get("type", ""), "text")
    if "minimum" not in schema:
        return noun
    return f"{noun} from {schema['minimum']:.12g} to {schema['maximum']:.12g}"


def _value(field: str) -> str:
    return os.environ.get(field.upper(), "")


def _refusal(field: str, schema: dict[str, Any], reason: str) -> UsageError:
    """Say what is wrong, with the value unless it is a secret."""
    is_secret = any(part.get("writeOnly") for part in (schema, *schema.get("anyOf", ())))
    shown = "wrong" if is_secret else repr(_value(field))
    return UsageError(f"{field.upper()} is {shown}: {reason}")
