// What OVMS's options do to directories and files that are not castool's: listing what could be
// served, writing graph.pbtxt, editing config.json.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/file_ops.h"
#include "base/result.h"
#include "tools/ovms_request.h"

namespace castool::tools {

// Names of servable models below `repository`, relative and in byte order: a directory with
// graph.pbtxt (or 1/graph.pbtxt) or with a version directory that holds a model; what is below one
// is not looked at. kNotFound when there is no such directory.
[[nodiscard]] base::Result<std::vector<std::string>> list_servable(const std::string& repository);

// Writes <directory>/graph.pbtxt, whole or not at all; a task that was not given is inferred from
// the files there.
[[nodiscard]] base::Status write_graph(const std::string& directory, const OvmsRequest& request,
                                       std::string_view models_path, base::FileOps& files);

// config.json with the model `name` at `base_path` added at the end, or without it; `text` is empty
// for a file that is not there yet. kUnsupported (exit 1, as OVMS) for a name that is there already
// or is not there, and for a text that is no configuration. Pure.
[[nodiscard]] base::Result<std::string> config_with(std::string_view text, std::string_view name,
                                                    std::string_view base_path);
[[nodiscard]] base::Result<std::string> config_without(std::string_view text,
                                                       std::string_view name);

// Replaces a small file whole; a mount whose files are generated is written through instead.
[[nodiscard]] base::Status replace_file(const std::string& path, std::string_view text,
                                        base::FileOps& files);
// Empty when there is none.
[[nodiscard]] base::Result<std::string> read_file(const std::string& path);

}  // namespace castool::tools
