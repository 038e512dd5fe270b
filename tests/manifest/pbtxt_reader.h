// Reads protobuf text format into the nested lists of tests/data/ovms/graphs.json: a message is a
// list of [name, value]; a quoted text is a string, a number, word or boolean {"lit": text}, and
// the name of an extension loses its blanks. Throws std::runtime_error on what is not text format.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace castool::manifest {

[[nodiscard]] nlohmann::json read_pbtxt(const std::string& text);

}  // namespace castool::manifest
