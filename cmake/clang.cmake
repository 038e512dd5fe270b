# Toolchain of the presets `clang` and `fuzz`: clang 14 where Debian has it, else Debian's default.
find_program(CASTOOL_CLANG NAMES clang-14 clang REQUIRED)
find_program(CASTOOL_CLANGXX NAMES clang++-14 clang++ REQUIRED)
set(CMAKE_C_COMPILER "${CASTOOL_CLANG}")
set(CMAKE_CXX_COMPILER "${CASTOOL_CLANGXX}")
