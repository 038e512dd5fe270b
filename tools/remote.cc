#include "tools/remote.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "fetch/curl_socket.h"
#include "tools/exit_status.h"
#include "tools/json_lines.h"
#include "tools/pull_display.h"
#include "tools/pull_reporter.h"
#include "tools/pull_request.h"
#include "tools/signals.h"

namespace castool::tools {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using Json = nlohmann::json;

std::string text_of(const Json& json, const char* key) {
  return json.is_object() && json.contains(key) && json[key].is_string()
             ? json[key].get<std::string>()
             : std::string();
}

std::uint64_t number_of(const Json& json, const char* key) {
  return json.is_object() && json.contains(key) && json[key].is_number_unsigned()
             ? json[key].get<std::uint64_t>()
             : 0;
}

Code code_of(std::string_view word, int status) {
  for (int i = 0; i <= static_cast<int>(Code::kInternal); ++i) {
    if (base::word(static_cast<Code>(i)) == word) return static_cast<Code>(i);
  }
  if (status == 401 || status == 403) return Code::kUnauthorized;
  if (status == 400) return Code::kUsage;
  if (status == 404) return Code::kNotFound;
  return status == 503 ? Code::kBusy : Code::kUnavailable;
}

// What a streaming pull says, line by line.
class PullLines {
 public:
  explicit PullLines(pull::PullEvents& events) : events_(events) {}

  void take(std::string_view bytes) {
    rest_ += bytes;
    for (std::size_t end = 0; (end = rest_.find('\n')) != std::string::npos;) {
      look(rest_.substr(0, end));
      rest_.erase(0, end + 1);
    }
  }

  // Once all has come.
  Result<pull::PullOutcome> result(int status) {
    if (!rest_.empty()) look(std::exchange(rest_, {}));
    if (!error_.is_null()) {
      return make_error(code_of(text_of(error_, "code"), status), text_of(error_, "error"));
    }
    if (outcome_) return *outcome_;
    return make_error(code_of("", status),
                      fmt::format("the server's answer broke off ({})", status));
  }

 private:
  void look(const std::string& line) {
    const Json json = Json::parse(line, nullptr, false);
    const std::string status = text_of(json, "status");
    if (!text_of(json, "error").empty()) {
      error_ = json;
    } else if (status == "success" && json.contains("manifest")) {
      outcome_ = outcome_of(json);
    } else if (number_of(json, "total") > 0 || json.contains("digest")) {
      events_.on_progress(status, text_of(json, "digest"), number_of(json, "total"),
                          number_of(json, "completed"));
    } else if (!status.empty()) {
      events_.on_status(status);
    }
  }

  static pull::PullOutcome outcome_of(const Json& json) {
    pull::PullOutcome outcome;
    outcome.name = text_of(json, "name");
    outcome.manifest = base::Digest::parse(text_of(json, "manifest")).value_or(base::Digest());
    outcome.revision = text_of(json, "revision");
    outcome.files = number_of(json, "files");
    outcome.bytes = number_of(json, "bytes");
    outcome.bytes_fetched = number_of(json, "bytes_fetched");
    outcome.bytes_reused = number_of(json, "bytes_reused");
    if (json.contains("seconds") && json["seconds"].is_number()) {
      outcome.seconds = json["seconds"].get<double>();
    }
    return outcome;
  }

  pull::PullEvents& events_;
  std::string rest_;
  Json error_;
  std::optional<pull::PullOutcome> outcome_;
};

Result<pull::PullOutcome> pull_one(const pull::PullRequest& request, pull::PullEvents& events,
                                   const std::string& socket, const std::stop_token& stop) {
  Json body;
  body["model"] = manifest::source_text(request.source);
  body["details"] = true;
  if (request.plain_http == pull::PlainHttp::kAllow) body["insecure"] = true;
  PullLines lines(events);
  CASTOOL_ASSIGN(const int status,
                 fetch::ask_socket(
                     {socket, "/api/pull", body.dump()},
                     [&lines](std::string_view bytes) { lines.take(bytes); }, stop));
  return lines.result(status);
}

base::Status check_options(const PullArguments& arguments) {
  const PullArguments plain;
  const std::size_t plain_flags = arguments.ovms.has("pull") ? 1 : 0;
  const std::pair<bool, const char*> options[] = {
      {arguments.name.has_value(), "--name"},
      {!arguments.include.empty(), "--include"},
      {!arguments.exclude.empty(), "--exclude"},
      {arguments.connections != plain.connections, "--connections"},
      {arguments.bytes_per_second != 0, "--limit-rate"},
      {arguments.force, "--force"},
      {arguments.dry_run, "--dry-run"},
      {arguments.lazy, "--lazy"},
      {!arguments.ovms.values.empty() || arguments.ovms.flags.size() > plain_flags,
       "an option of OVMS"}};
  for (const auto& [given, name] : options) {
    if (given) {
      return make_error(Code::kUsage, fmt::format("{} does not go with --socket", name),
                        "a server pulls whole models by their names");
    }
  }
  return base::ok();
}

int pull_all(const PullArguments& arguments, CommandContext& context) {
  SignalWatch signals(HangUp::kStop);
  if (const auto checked = check_options(arguments); !checked) {
    return report_error(context, "pull", checked.error());
  }
  int status = kExitSuccess;
  for (const std::string& source : arguments.sources) {
    const std::string where = "pull " + source_label(source);
    const auto request = pull_request(source, arguments);
    const auto outcome =
        request ? show_pull(manifest::ref_name(request->source), pull::Mode::kFetch, context,
                            [&](pull::PullEvents& events) {
                              return pull_one(*request, events, context.settings.socket,
                                              signals.token());
                            })
                : Result<pull::PullOutcome>(request.error());
    if (outcome && context.settings.json) context.out.line(pull_result(*outcome));
    if (outcome && !context.settings.json && !context.settings.quiet) {
      context.out.line(success_line(*outcome));
    }
    if (outcome) continue;
    const int failure = report_error(context, where, outcome.error());
    status = status == kExitSuccess ? failure : status;
    if (signals.token().stop_requested()) break;
  }
  return status;
}

// The server's words, as if they were ours.
int print_answer(const Json& json, CommandContext& context) {
  context.out.text(text_of(json, "out"));
  const std::string err = text_of(json, "err");
  constexpr std::string_view kSelf = "castool: ";
  for (std::string_view rest = err; !rest.empty();) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.starts_with(kSelf)) line.remove_prefix(kSelf.size());
    context.out.error_line(line);
  }
  return static_cast<int>(number_of(json, "status"));
}

int run_words(std::vector<std::string> words, const std::string& where, CommandContext& context) {
  // Behind the command: what stands behind "--" is a name.
  if (context.settings.json) words.insert(words.begin() + 1, "--json");
  if (context.settings.quiet) words.insert(words.begin() + 1, "--quiet");
  Json body;
  body["words"] = words;
  std::string text;
  const auto status = fetch::ask_socket({context.settings.socket, "/castool/run", body.dump()},
                                        [&text](std::string_view bytes) { text += bytes; }, {});
  if (!status) return report_error(context, where, status.error());
  const Json json = Json::parse(text, nullptr, false);
  if (*status == 200 && json.is_object()) return print_answer(json, context);
  return report_error(
      context, where,
      make_error(code_of("", *status), "the server refuses: " + text_of(json, "error")));
}

struct Remote {
  const std::string& command;
  CommandContext& context;

  int operator()(const PullArguments& a) const { return pull_all(a, context); }
  int operator()(const LsArguments& a) const {
    if (!a.all_namespaces) return run_words({"ls"}, "ls", context);
    return report_error(context, "ls",
                        make_error(Code::kUsage, "--all-namespaces does not go with --socket"));
  }
  int operator()(const ShowArguments& a) const { return run_names("show", a.names); }
  int operator()(const RmArguments& a) const { return run_names("rm", a.names); }
  int operator()(const PinArguments& a) const { return run_names(command.c_str(), a.names); }
  int operator()(const CpArguments& a) const {
    return run_words({"cp", "--", a.from, a.to}, "cp " + a.from, context);
  }
  int operator()(const SetArguments& a) const {
    std::vector<std::string> words = {"set"};
    for (const auto& [name, value] : a.ovms.values) words.push_back("--" + name + "=" + value);
    for (const std::string& flag : a.ovms.flags) words.push_back("--" + flag);
    words.insert(words.end(), {"--", a.name});
    return run_words(std::move(words), "set " + a.name, context);
  }
  template <class Other>
  int operator()(const Other&) const {
    return report_error(context, command,
                        make_error(Code::kUsage, "a server does not do this for others",
                                   "without --socket and CASTOOL_SOCKET it works on the store"));
  }

  int run_names(const char* verb, const std::vector<std::string>& names) const {
    std::vector<std::string> words = {verb};
    words.insert(words.end(), names.begin(), names.end());
    return run_words(std::move(words), verb, context);
  }
};

}  // namespace

bool speaks_to_servers(const CommandArguments& arguments) {
  return !std::holds_alternative<MountArguments>(arguments) &&
         !std::holds_alternative<UmountArguments>(arguments) &&
         !std::holds_alternative<ServeArguments>(arguments) &&
         !std::holds_alternative<OvmsCommandArguments>(arguments);
}

int run_remotely(const Invocation& invocation, CommandContext& context) {
  return std::visit(Remote{invocation.command, context}, invocation.arguments);
}

}  // namespace castool::tools
