# Compiles through ccache when it is there and nobody chose a launcher. Paths below the source tree
# count as relative, so that one clone finds what another one compiled.
if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(CASTOOL_CCACHE ccache)
  if(CASTOOL_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER
        "${CMAKE_COMMAND}" -E env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=1
        "${CASTOOL_CCACHE}")
  endif()
endif()
