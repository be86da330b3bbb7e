"""The configuration, checked against its schema; every mistake is found at once and told with its row and remedy.

The schema is JSON Schema (https://json-schema.org/draft/2020-12) as far as config.schema.yaml needs it. A validator of
all of it takes 0.09 s to import, in every job, and does not say what to write instead.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from _tables import encoding_problem, nearest

# The way to a value: the keys, and numbers counted from 0 in lists.
Keys = tuple[str | int, ...]

# No value of the schema lies deeper; an alias in YAML may hold itself.
DEEPEST = 3

# What YAML makes of a value, and what people call it.
TYPES = {
    "object": (dict, "keys below it"),
    "array": (list, "a list"),
    "boolean": (bool, "true or false"),
    "integer": (int, "a whole number"),
    "number": (float, "a number with a point"),
    "string": (str, "text"),
}


def read_config_file(path: Path) -> tuple[dict, dict[Keys, int], list[str]]:
    """Read a YAML file; return its content, the row of each key, and what stands against reading it."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        problem = "there is no such file here; run Snakemake in the folder that has it, or give --directory"
        return {}, {}, [f"{path}: {problem}"]
    except OSError as error:
        return {}, {}, [f"{path}: it cannot be read ({error.strerror}); make it a text file that you may read"]
    if problem := encoding_problem(path, data, "save it as text in UTF-8"):
        return {}, {}, [str(problem)]
    try:
        root = yaml.compose(data, yaml.CSafeLoader)
        content = yaml.load(data, yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        return {}, {}, [f"{path}{syntax_problem(error, data)}"]
    except (yaml.YAMLError, ValueError) as error:
        return {}, {}, [f"{path}: {' '.join(str(error).split())}; correct it"]
    if root is None:
        return {}, {}, [f"{path}: the file is empty; write one key or more, as in samples: config/samples.tsv"]
    if not isinstance(content, dict):
        return (
            {},
            {},
            [f"{path}, row {root.start_mark.line + 1}: no key found; write each key with a colon and its value"],
        )
    rows: dict[Keys, int] = {}
    problems = [f"{path}, row {row}, key {spell(keys)}: {problem}" for keys, row, problem in note_rows(root, (), rows)]
    return content, rows, problems


def syntax_problem(error: yaml.MarkedYAMLError, data: bytes) -> str:
    # What a list or a mapping in brackets lacks at its end is noticed after it: told is where it starts.
    unended = "flow" in (error.context or "")
    row = ((error.context_mark if unended else error.problem_mark) or error.context_mark).line + 1
    tab = b"\t" in b"".join(data.splitlines()[row - 1 : row])
    remedy = "indent with blanks, not tabs" if tab else "look at its colon, quotes and indent, and the row's before it"
    return f", row {row}: this is not YAML ({error.problem or error.context}); {remedy}"


def note_rows(node: yaml.Node, keys: Keys, rows: dict[Keys, int]) -> Iterator[tuple[Keys, int, str]]:
    """Write the row of each key and item into `rows`; yield the keys that are there twice, of which YAML takes one."""
    if len(keys) > DEEPEST:
        return
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            way, row = (*keys, key.value), key.start_mark.line + 1
            if way in rows:
                yield way, row, f"the key is in row {rows[way]} already; put both together"
            rows.setdefault(way, row)
            yield from note_rows(value, way, rows)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            rows[*keys, number] = item.start_mark.line + 1
            yield from note_rows(item, (*keys, number), rows)


def check_configuration(config: dict, schema: dict, path: Path, rows: dict[Keys, int], typed: dict) -> list[str]:
    """Return what is wrong with `config`, one message a mistake, in the order of the file.

    `rows` says where the file has which key, and `typed` is what the command line says instead of it.
    """
    found = []
    for keys, problem in mistakes(config, schema):
        in_file = keys in rows and not has(typed, keys)
        where = f"{path}, row {rows[keys]}" if in_file else f"{path} or the command line"
        found.append((rows.get(keys, 0), f"{where}, key {spell(keys)}: {problem}"))
    return [problem for _, problem in sorted(found)]


def shared_tables(settings: dict, path: Path) -> list[str]:
    """Say which tables are one file: the lock, which is written, would take the place of a table of the user's."""
    taken: dict[Path, str] = {}
    problems = []
    for key in ("organisms", "samples", "lock"):
        table = Path(settings[key]).resolve()
        if (earlier := taken.setdefault(table, key)) != key:
            problems.append(f"{path}, key {key}: {settings[key]} is the table of {earlier}; name a file of its own")
    return problems


def has(config: object, keys: Keys) -> bool:
    for key in keys:
        if not isinstance(config, dict) or key not in config:
            return isinstance(config, list)
        config = config[key]
    return True


def spell(keys: Keys) -> str:
    """Write the way to a value: index.kmers, item 2."""
    names = ".".join(str(key) for key in keys if not isinstance(key, int))
    return names + "".join(f", item {key + 1}" for key in keys if isinstance(key, int))


def settle(config: dict, schema: dict) -> dict:
    """Return the configuration with the schema's defaults for what is missing or wrong."""
    settled = {}
    for key, rule in schema["properties"].items():
        if "properties" in rule:
            settled[key] = settle(config[key] if isinstance(config.get(key), dict) else {}, rule)
        elif key in config and not any(mistakes(config[key], rule)):
            settled[key] = config[key]
        elif "default" in rule:
            settled[key] = rule["default"]
    return settled


def mistakes(value: object, rule: dict, keys: Keys = ()) -> Iterator[tuple[Keys, str]]:
    """Yield the keys and the mistake of every value that breaks the rule."""
    if problem := value_problem(value, rule):
        yield keys, problem
    elif isinstance(value, dict):
        known = rule["properties"]
        for key, inner in value.items():
            if key in known:
                yield from mistakes(inner, known[key], (*keys, key))
            else:
                yield (*keys, str(key)), f"no such key; {nearest(str(key), known)}"
    elif isinstance(value, list):
        for number, item in enumerate(value):
            if item in value[:number]:
                yield (*keys, number), f"{show(item)} is there twice; remove one"
            else:
                yield from mistakes(item, {"description": rule["description"], **rule["items"]}, (*keys, number))


def value_problem(value: object, rule: dict) -> str | None:
    """Say what is wrong with a value by itself, and what would be right."""
    wanted, name = TYPES[rule["type"]]
    about = rule.get("description") or ", ".join(rule.get("properties", ()))
    about = f" ({about})" if about else ""
    found = kind(value)
    right = found == name
    if wanted is float:
        right, name = right or found == TYPES["integer"][1], "a number"
    if value is None:
        return f"it has no value; write {name}{about}, or remove the key"
    if not right:
        return f"{show(value)} is {found}; {type_remedy(value, wanted, name)}{about}"
    if "enum" in rule and value not in rule["enum"]:
        known = (
            nearest(value, rule["enum"]) if isinstance(value, str) else f"known: {', '.join(map(str, rule['enum']))}"
        )
        return f"{show(value)} is not allowed; {known}{about}"
    if "pattern" in rule and not re.search(rule["pattern"], value):
        return f"{show(value)} is not allowed; write it as in {rule.get('examples', [rule.get('default')])[0]}{about}"
    if "minimum" in rule and not value >= rule["minimum"]:  # not a number (.nan) is not less, either
        return f"{show(value)} is too small; write {rule['minimum']} or more"
    if "maximum" in rule and value > rule["maximum"]:
        return f"{show(value)} is too large; write {rule['maximum']} or less"
    if "minItems" in rule and len(value) < rule["minItems"]:
        return f"the list is empty; write one or more{about}, or remove the key"
    return None


def kind(value: object) -> str:
    """Name the type of a value; true is no number, though Python takes it for one."""
    return next((name for type_, name in TYPES.values() if isinstance(value, type_)), "of another kind")


def show(value: object) -> str:
    """Write a value as it stands in YAML."""
    return json.dumps(value, default=str, ensure_ascii=False)


def type_remedy(value: object, wanted: type, name: str) -> str:
    if wanted is list and not isinstance(value, dict):
        return f"write {name}, [{value}]"
    if wanted is str and not isinstance(value, dict | list):
        return f"write {name}: put it in quotes if it is right"
    if wanted in (int, bool) and isinstance(value, str):
        return f"write {name} without quotes"
    return f"write {name}"
