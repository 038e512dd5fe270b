// Options of `serve` and `mount` about the HTTP API.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "tools/arguments.h"

namespace CLI {
class App;
}

namespace castool::tools {

// As they were typed.
struct RawListen {
  std::optional<std::string> listen, socket_path, socket_mode, socket_group, auth_token_file;
  std::vector<std::string> allowed_registries;
};

void add_listen_options(CLI::App& command, RawListen& raw);
// Checked, groups looked up. kUsage names the option.
[[nodiscard]] base::Result<ListenArguments> finish_listen(const RawListen& raw);

}  // namespace castool::tools
