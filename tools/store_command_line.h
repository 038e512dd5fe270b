// The options of the commands that look after the store: gc, pin, cp, update and so on. Part of
// command_line.cc.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "tools/arguments.h"

namespace CLI {
class App;
}

namespace castool::tools {

// The parser fills these; finish_store_command() checks what has a grammar of its own.
struct RawStoreArguments {
  GcArguments gc;
  std::optional<std::string> gc_max_size;
  PinArguments pin, unpin;
  CpArguments cp;
  UpdateArguments update;
  FsckArguments fsck;
  ImportArguments import;
  QuotaArguments quota;
  std::optional<std::string> quota_size;
  std::optional<std::string> mount_max_size, serve_max_size;
  std::optional<std::string> subset;
};

void add_store_commands(const std::function<CLI::App*(const std::string& name)>& add_command,
                        RawStoreArguments& raw);
// nullopt: another command.
[[nodiscard]] base::Result<std::optional<CommandArguments>> finish_store_command(
    const std::string& name, RawStoreArguments& raw);

// --max-size of mount and serve.
void add_max_size(CLI::App& command, std::optional<std::string>& text);
[[nodiscard]] base::Status finish_max_size(const std::optional<std::string>& text,
                                           std::optional<std::uint64_t>& size);

}  // namespace castool::tools
