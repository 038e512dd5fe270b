#include "tools/listen_options.h"

#include <grp.h>

#include <charconv>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "manifest/name_rules.h"

namespace castool::tools {
namespace {

using base::Code;
using base::make_error;
using base::Result;

Result<mode_t> parse_mode(const std::string& text) {
  unsigned mode = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (failure != std::errc() || end != text.data() + text.size() || mode > 0777) {
    return make_error(Code::kUsage, fmt::format("--socket-mode: {} is no mode", text),
                      "three octal digits, such as 660");
  }
  return static_cast<mode_t>(mode);
}

Result<gid_t> parse_group(const std::string& text) {
  gid_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure == std::errc() && end == text.data() + text.size()) return number;
  const group* entry = ::getgrnam(text.c_str());  // before any other thread
  if (entry != nullptr) return entry->gr_gid;
  return make_error(Code::kUsage, fmt::format("--socket-group: there is no group {}", text));
}

}  // namespace

void add_listen_options(CLI::App& command, RawListen& raw) {
  command.add_option("--socket-listen", raw.socket_path, "Serve the API on a Unix socket")
      ->option_text("PATH");
  command.add_option("--socket-mode", raw.socket_mode, "Who may connect to it (600)")
      ->option_text("MODE");
  command.add_option("--socket-group", raw.socket_group, "The group it gets")->option_text("GROUP");
  command
      .add_option("--allow-registry", raw.allowed_registries,
                  "A registry that callers may name as well (repeatable)")
      ->option_text("HOST")
      ->allow_extra_args(false);
  command
      .add_option("--auth-token-file", raw.auth_token_file,
                  "A file with the token that callers have to bring")
      ->option_text("FILE");
}

Result<ListenArguments> finish_listen(const RawListen& raw) {
  ListenArguments listen;
  if (raw.listen) {
    auto address = api::parse_tcp_address(*raw.listen);
    if (!address) return std::move(address).error().in("--listen");
    listen.address = *std::move(address);
  }
  listen.socket_path = raw.socket_path;
  if (!raw.socket_path && (raw.socket_mode || raw.socket_group)) {
    return make_error(Code::kUsage, "--socket-mode and --socket-group need --socket-listen");
  }
  if (raw.socket_mode) {
    CASTOOL_ASSIGN(listen.socket_access.mode, parse_mode(*raw.socket_mode));
  }
  if (raw.socket_group) {
    CASTOOL_ASSIGN(listen.socket_access.group, parse_group(*raw.socket_group));
  }
  for (const std::string& host : raw.allowed_registries) {
    if (!manifest::is_ollama_host(host)) {
      return make_error(Code::kUsage, fmt::format("--allow-registry: {} is no host", host),
                        "write it as models name it: host or host:port");
    }
  }
  listen.allowed_registries = raw.allowed_registries;
  listen.auth_token_file = raw.auth_token_file;
  return listen;
}

}  // namespace castool::tools
