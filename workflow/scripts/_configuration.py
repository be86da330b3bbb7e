"""The configuration, checked against its schema; every mistake is found at once and told with its remedy."""

from collections.abc import Iterator

from _tables import nearest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError


def check_configuration(config: dict, schema: dict, source: str) -> list[str]:
    """Fill `config` in place with the schema's defaults; return what is wrong with it, one message a mistake."""
    mistakes = [problem for error in Draft202012Validator(schema).iter_errors(config) for problem in explain(error)]
    if mistakes:
        return [f"{source}, {mistake}" for mistake in mistakes]
    fill_defaults(config, schema)
    return []


def fill_defaults(config: dict, schema: dict) -> None:
    for key, rule in schema["properties"].items():
        if "default" in rule:
            default = rule["default"]
            config.setdefault(key, default.copy() if isinstance(default, dict | list) else default)
        if "properties" in rule and key in config:
            fill_defaults(config[key], rule)


def explain(error: ValidationError) -> Iterator[str]:
    """Turn one error of jsonschema into messages that name the key, the mistake and the remedy."""
    where = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        for key in sorted(set(error.instance) - set(known)):
            yield f"key {f'{where}.{key}' if where else key}: no such key; {nearest(key, known)}"
    else:
        about = error.schema.get("description")
        yield f"key {where or '(top)'}: {error.message}{f'; it is {about}' if about else ''}"
