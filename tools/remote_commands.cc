#include "tools/remote_commands.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "base/unique_fd.h"
#include "tools/command_line.h"
#include "tools/commands.h"
#include "tools/exit_status.h"

namespace castool::tools {
namespace {

using Json = nlohmann::ordered_json;

std::string answer(int status, const std::string& out, const std::string& err) {
  Json json;
  json["status"] = status;
  json["out"] = out;
  json["err"] = err;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string refusal(const std::string& text) {
  return answer(exit_status(base::Code::kUsage), "", "castool: " + text + "\n");
}

std::vector<std::string> words_of(const std::string& body) {
  const Json json = Json::parse(body, nullptr, false);
  std::vector<std::string> words;
  if (!json.is_object() || !json.contains("words") || !json["words"].is_array()) return words;
  for (const Json& word : json["words"]) {
    if (word.is_string()) words.push_back(word.get<std::string>());
  }
  return words;
}

std::string content(int fd) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0) return {};
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  const ssize_t got = ::pread(fd, text.data(), text.size(), 0);
  text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return text;
}

// Callers learn nothing of where the store is.
std::string without_path(std::string text, const std::string& path) {
  constexpr std::string_view kInstead = "the store";
  for (std::size_t at = text.find(path); !path.empty() && at != std::string::npos;
       at = text.find(path, at + kInstead.size())) {
    text.replace(at, path.size(), kInstead);
  }
  return text;
}

struct Run {
  CommandContext& context;
  int operator()(const LsArguments& a) const { return run_ls(a, context); }
  int operator()(const ShowArguments& a) const { return run_show(a, context); }
  int operator()(const RmArguments& a) const { return run_rm(a, context); }
  int operator()(const CpArguments& a) const { return run_cp(a, context); }
  int operator()(const PinArguments& a) const { return run_pin(a, context); }
  int operator()(const SetArguments& a) const { return run_set(a, context); }
  template <class Other>
  int operator()(const Other&) const {
    return exit_status(base::Code::kUsage);
  }
};

bool is_served(const CommandArguments& arguments) {
  if (const auto* ls = std::get_if<LsArguments>(&arguments)) return !ls->all_namespaces;
  return std::holds_alternative<ShowArguments>(arguments) ||
         std::holds_alternative<RmArguments>(arguments) ||
         std::holds_alternative<CpArguments>(arguments) ||
         std::holds_alternative<PinArguments>(arguments) ||
         std::holds_alternative<SetArguments>(arguments);
}

}  // namespace

std::string run_for_caller(const std::string& body, CommandContext& context) {
  constexpr std::array<std::string_view, 7> kServed = {"ls",  "show",  "rm", "cp",
                                                       "pin", "unpin", "set"};
  const std::vector<std::string> words = words_of(body);
  // Before anything is made of the others' options.
  if (words.empty() || std::find(kServed.begin(), kServed.end(), words.front()) == kServed.end()) {
    return refusal("a server does not run this command for others");
  }
  const auto parsed = parse_command_line(words);
  if (!parsed) return refusal(parsed.error().text());
  const auto* invocation = std::get_if<Invocation>(&*parsed);
  if (invocation == nullptr || !is_served(invocation->arguments)) {
    return refusal("a server does not run this command for others");
  }
  const base::UniqueFd out_fd(::memfd_create("out", MFD_CLOEXEC));
  const base::UniqueFd err_fd(::memfd_create("err", MFD_CLOEXEC));
  if (!out_fd || !err_fd) return refusal("the server has no memory");
  Output out(out_fd.get(), err_fd.get(), Buffering::kWhole);
  Settings settings = context.settings;
  settings.json = invocation->global.json;
  settings.quiet = invocation->global.quiet;
  CommandContext inner = {invocation->global, settings,      context.variables, out,
                          context.log,        context.clock, context.files};
  const int status = std::visit(Run{inner}, invocation->arguments);
  static_cast<void>(out.flush());
  return answer(status, without_path(content(out_fd.get()), settings.store),
                without_path(content(err_fd.get()), settings.store));
}

}  // namespace castool::tools
