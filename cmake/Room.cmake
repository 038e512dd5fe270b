# castool_room(NAME SOURCES a.cc ... [ROOMS base ...] [PRIVATE lib ...])
#
# One static library a folder. ROOMS are the arrows of docs/architecture.md and are public: whoever
# may see a room's headers may see what those include. Outside libraries stay private, so that a
# third-party header cannot leak past the room that owns it.
#
# g++ 12 at -O2 takes the empty state of std::optional and tl::expected for uninitialised memory, so that
# one warning is off there; clang and the sanitizers look for the real thing.
add_library(castool_warnings INTERFACE)
target_compile_options(castool_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Wformat=2 -Wextra-semi -Wcast-align -Wcast-qual -Wundef
  -Wdouble-promotion -Wmissing-declarations
  $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond;-Wduplicated-branches;-Wlogical-op;-Wsuggest-override;-Wno-maybe-uninitialized>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  $<$<BOOL:${CASTOOL_WARNINGS_AS_ERRORS}>:-Werror>)

add_library(castool_options INTERFACE)
target_compile_definitions(castool_options INTERFACE _FILE_OFFSET_BITS=64)
if(CASTOOL_SANITIZE)
  target_compile_options(castool_options INTERFACE
    # -Og takes no longer to compile and runs faster. -g1: lines for reports.
    -fsanitize=${CASTOOL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -Og -g1)
  # Where it is loaded is fixed: UBSan's tables have a million addresses to relocate at each start.
  target_link_options(castool_options INTERFACE -fsanitize=${CASTOOL_SANITIZE} -no-pie)
endif()

function(castool_room name)
  cmake_parse_arguments(PARSE_ARGV 1 ROOM "" "" "SOURCES;ROOMS;PRIVATE")
  add_library(castool_${name} STATIC ${ROOM_SOURCES})
  target_include_directories(castool_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  list(TRANSFORM ROOM_ROOMS PREPEND castool_)
  target_link_libraries(castool_${name}
    PUBLIC ${ROOM_ROOMS} castool_options Threads::Threads
    PRIVATE castool_warnings ${ROOM_PRIVATE})
endfunction()
