# The Python that Debian's python3-pytest belongs to, whatever else is first in PATH.
find_program(CASTOOL_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)
