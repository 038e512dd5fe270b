# Compiles through ccache when it is there and nobody chose a launcher.
if(NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(CASTOOL_CCACHE ccache)
  if(CASTOOL_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${CASTOOL_CCACHE}")
  endif()
endif()
