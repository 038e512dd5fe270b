#include "tools/command_line.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "tools/help_text.h"
#include "tools/listen_options.h"
#include "tools/mount_options.h"
#include "tools/quantity.h"
#include "tools/store_command_line.h"
#include "tools/version.h"

namespace castool::tools {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using base::Status;

constexpr std::string_view kProgram = "castool";

// CLI11 fills these; finish() checks and converts what has a grammar of its own.
struct Raw {
  GlobalArguments global;
  std::optional<std::string> timeout;
  PullArguments pull;
  std::optional<std::string> from, limit_rate;
  MountArguments mount;
  std::string layout = "ovms";
  std::string fill = "touched";
  std::string verify = "lazy";
  std::vector<std::string> on_demand;
  bool list_on_demand = false;
  std::vector<std::string> mount_options;
  RawListen mount_listen, serve_listen;
  bool serve_registry = false;
  UmountArguments umount;
  LsArguments ls;
  ShowArguments show;
  RmArguments rm;
  SetArguments set;
  ExportArguments exported;
  std::string export_layout = "plain";
  std::string link = "copy";
  OvmsCommandArguments ovms;
  RawStoreArguments store;
};

CLI::App& add_command(CLI::App& app, const std::string& name) {
  const CommandHelp& help = command_help(name);
  CLI::App& command = *app.add_subcommand(name, std::string(help.summary));
  command.group("Commands");
  command.fallthrough();  // global options may stand behind the command
  command.footer(std::string(help.detail) + "\n\nOptions for every command: castool --help");
  return command;
}

void add_global_options(CLI::App& app, Raw& raw) {
  app.add_option("--store", raw.global.store, "The store's directory")->option_text("DIR");
  app.add_option("--namespace", raw.global.ns, "Whose names are meant (default)")
      ->option_text("NS");
  app.add_option("--socket", raw.global.socket, "Speak to the server there, not to the store")
      ->option_text("PATH");
  app.add_flag("--json", raw.global.json, "One JSON object a line on standard output");
  app.add_flag("-q,--quiet", raw.global.quiet, "Say nothing but results and errors");
  app.add_flag("-v,--verbose", raw.global.verbose, "Say more; -vv says everything");
  app.add_flag("--no-progress", raw.global.no_progress, "No progress bars and lines");
  app.add_option("--token-file", raw.global.token_file, "A file that holds the Hub's token")
      ->option_text("FILE");
  app.add_option("--timeout", raw.timeout, "Longest time without a byte (5m)")->option_text("D");
}

void add_pull(CLI::App& app, Raw& raw) {
  CLI::App& command = add_command(app, "pull");
  PullArguments& pull = raw.pull;
  // Or --source_model; ovms_request.h says when one is missing.
  command.add_option("SOURCE", pull.sources, "What to pull")->option_text(" ");
  command.add_option("--name", pull.name, "The name it gets here")->option_text("NAME");
  command.add_option("--revision", pull.revision, "Branch, tag, commit or refs/pr/N of the Hub")
      ->option_text("REV");
  // One value an option, or the pattern would take the source behind it along.
  command.add_option("--include", pull.include, "Only files that match (repeatable)")
      ->option_text("GLOB")
      ->allow_extra_args(false);
  command.add_option("--exclude", pull.exclude, "No file that matches (repeatable)")
      ->option_text("GLOB")
      ->allow_extra_args(false);
  command.add_option("--connections", pull.connections, "Most connections at once (16)")
      ->option_text("N")
      ->check(CLI::Range(1, 256));
  command.add_option("--limit-rate", raw.limit_rate, "Most bytes per second, such as 20M")
      ->option_text("R");
  command.add_flag("--force", pull.force, "Resolve again, and verify again what is there");
  command.add_flag("--dry-run", pull.dry_run, "Only tell what would be fetched");
  command.add_flag("--lazy", pull.lazy, "Leave large files to their first reader");
  command.add_flag("--insecure", pull.insecure, "Allow plain HTTP");
  command.add_option("--from", raw.from, "Where a name without a scheme is: hf or ollama")
      ->option_text("hf|ollama")
      ->check(CLI::IsMember({"hf", "ollama"}));
  add_ovms_pull_options(command, pull.ovms);
}

void add_mount(CLI::App& app, Raw& raw) {
  CLI::App& command = add_command(app, "mount");
  command.add_option("DIR", raw.mount.directory, "An existing directory")
      ->required()
      ->option_text(" ");
  command.add_option("--layout", raw.layout, "What readers expect (ovms)")
      ->option_text("ovms|ollama|hf|all")
      ->check(CLI::IsMember({"ovms", "ollama", "hf", "all"}));
  command.add_flag("-f,--foreground", raw.mount.foreground, "Stay; SIGTERM or ^C unmounts");
  command.add_flag("--replace", raw.mount.replace,
                   "Take over what is mounted there, with open files and all");
  command.add_flag("--trust-store", raw.mount.trust_store,
                   "Skip the check of blobs that nobody verified since boot");
  command.add_option("--fill", raw.fill, "What is fetched besides what is read (touched)")
      ->option_text("none|touched|all")
      ->check(CLI::IsMember({"none", "touched", "all"}));
  command
      .add_option("--verify", raw.verify, "Read while it arrives, or once it is verified (lazy)")
      ->option_text("lazy|strict")
      ->check(CLI::IsMember({"lazy", "strict"}));
  command
      .add_option("--on-demand", raw.on_demand,
                  "Models that are brought here when they are looked for")
      ->option_text("PATTERN ...")
      ->allow_extra_args(false);
  command.add_flag("--list-on-demand", raw.list_on_demand, "Have config.json list those as well");
  command.add_option("--listen", raw.mount_listen.listen, "Serve the API as well, here")
      ->option_text("ADDR");
  add_listen_options(command, raw.mount_listen);
  command
      .add_option("--upper", raw.mount.upper,
                  "Keep here what is written over a graph.pbtxt (in memory, until unmounted)")
      ->option_text("DIR");
  add_max_size(command, raw.store.mount_max_size);
  command.add_option("-o", raw.mount_options, "Mount options")
      ->option_text("OPTS")
      ->allow_extra_args(false);
}

void add_serve(CLI::App& app, Raw& raw) {
  CLI::App& command = add_command(app, "serve");
  command.add_option("--listen", raw.serve_listen.listen, "Where to listen (127.0.0.1:11435)")
      ->option_text("ADDR");
  add_listen_options(command, raw.serve_listen);
  command.add_flag("--registry", raw.serve_registry,
                   "Be an Ollama registry and a Hub for others, with what is here");
  add_max_size(command, raw.store.serve_max_size);
}

void add_others(CLI::App& app, Raw& raw) {
  CLI::App& umount = add_command(app, "umount");
  umount.add_option("DIR", raw.umount.directory, "Where it is mounted")
      ->required()
      ->option_text(" ");
  umount.add_flag("--lazy", raw.umount.lazy, "Also when files are open: they stay readable");
  CLI::App& ls = add_command(app, "ls");
  ls.add_flag("--all-namespaces", raw.ls.all_namespaces, "The models of every namespace");
  CLI::App& show = add_command(app, "show");
  show.add_option("NAME", raw.show.names, "As ls prints it")->required()->option_text(" ");
  CLI::App& rm = add_command(app, "rm");
  rm.add_option("NAME", raw.rm.names, "As ls prints it")->required()->option_text(" ");
  add_store_commands([&app](const std::string& name) { return &add_command(app, name); },
                     raw.store);
  add_command(app, "df");
  add_command(app, "status");
}

void add_models(CLI::App& app, Raw& raw) {
  CLI::App& set = add_command(app, "set");
  set.add_option("NAME", raw.set.name, "As ls prints it")->required()->option_text(" ");
  add_ovms_model_options(set, raw.set.ovms);
  CLI::App& exported = add_command(app, "export");
  exported.add_option("NAME", raw.exported.name, "As ls prints it")->required()->option_text(" ");
  exported.add_option("DIR", raw.exported.directory, "A directory that is empty or not there yet")
      ->required()
      ->option_text(" ");
  exported.add_option("--layout", raw.export_layout, "As whom it is for reads it (plain)")
      ->option_text("plain|ovms|ollama|hf")
      ->check(CLI::IsMember({"plain", "ovms", "ollama", "hf"}));
  exported.add_option("--link", raw.link, "Links into the store in place of copies; pins NAME")
      ->option_text("symlink")
      ->check(CLI::IsMember({"symlink"}));
  for (const char* name : {"list-models", "add-to-config", "remove-from-config"}) {
    add_ovms_file_options(add_command(app, name), raw.ovms.ovms);
  }
}

std::unique_ptr<CLI::App> make_parser(Raw& raw) {
  auto app = std::make_unique<CLI::App>(std::string(program_summary()), std::string(kProgram));
  auto& format = *app->get_formatter();
  format.column_width(26);
  format.label("SUBCOMMAND", "COMMAND");
  format.label("Positionals", "Arguments");
  format.label("OPTIONS", "OPTION...");
  app->set_help_flag("-h,--help", "Explain the program, or a command behind it");
  app->set_version_flag("--version", std::string(version_line()), "Say which castool this is");
  app->require_subcommand(1);
  app->footer(std::string(program_footer()));
  add_global_options(*app, raw);
  add_pull(*app, raw);
  add_mount(*app, raw);
  add_serve(*app, raw);
  add_others(*app, raw);
  add_models(*app, raw);
  return app;
}

std::string command_list(const CLI::App& app) {
  std::string list;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    list += list.empty() ? "" : ", ";
    list += command->get_name();
  }
  return list;
}

const CLI::App* chosen_command(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? nullptr : chosen.front();
}

// The word behind an option that OVMS does not know either: OVMS names both.
std::string word_behind(std::span<const std::string> arguments, const std::string& option) {
  const auto written_for_ovms = [&](const char* flag) {
    return std::find(arguments.begin(), arguments.end(), flag) != arguments.end();
  };
  if (!written_for_ovms("--pull") && !written_for_ovms("--source_model")) return {};
  const auto at = std::find(arguments.begin(), arguments.end(), option);
  if (at == arguments.end() || at + 1 == arguments.end() || (at + 1)->starts_with('-')) return {};
  return " " + *(at + 1);
}

// What a person gets for arguments that CLI11 did not take. Values of unknown options are not
// repeated: somebody may have tried to hand over a token.
base::Error usage_error(const CLI::App& app, std::span<const std::string> arguments,
                        const CLI::ParseError& failure) {
  const CLI::App* command = chosen_command(app);
  const auto left = app.remaining(true);
  if (command == nullptr && !left.empty() && !left.front().starts_with('-')) {
    return make_error(Code::kUsage, fmt::format("unknown command {}", left.front()),
                      "the commands are " + command_list(app));
  }
  const std::string name = command == nullptr ? std::string() : command->get_name();
  const std::string prefix = name.empty() ? std::string() : name + ": ";
  const std::string hint = fmt::format("see castool {}{}--help", name, name.empty() ? "" : " ");
  if (!left.empty()) {
    const std::string word = left.front().substr(0, left.front().find('='));
    const char* kind = word.starts_with('-') ? "unknown option" : "unexpected argument";
    return make_error(
        Code::kUsage,
        fmt::format("{}{} {}{}", prefix, kind, word, word_behind(arguments, left.front())), hint);
  }
  if (command == nullptr) {
    return make_error(Code::kUsage, "a command is missing",
                      "the commands are " + command_list(app));
  }
  std::string why = failure.what();
  for (char& c : why) c = c == '\n' ? ' ' : c;
  return make_error(Code::kUsage, prefix + why, hint);
}

Status finish_pull(Raw& raw) {
  if (raw.from) {
    raw.pull.from = *raw.from == "hf" ? manifest::SourceKind::kHub : manifest::SourceKind::kOllama;
  }
  if (raw.limit_rate) {
    auto rate = parse_rate(*raw.limit_rate);
    if (!rate) return std::move(rate).error().in("--limit-rate");
    raw.pull.bytes_per_second = *rate;
  }
  if (raw.pull.sources.empty() && raw.pull.ovms.flags.empty() && raw.pull.ovms.values.empty()) {
    return make_error(Code::kUsage, "SOURCE is required", "see castool pull --help");
  }
  const bool model_too = raw.pull.ovms.values.contains("source_model");
  if (raw.pull.name && raw.pull.sources.size() + (model_too ? 1 : 0) > 1) {
    return make_error(Code::kUsage, "--name: one name cannot be given to several sources");
  }
  return base::ok();
}

Status finish_mount(Raw& raw) {
  raw.mount.layout = fusefs::layout_of(raw.layout).value_or(fusefs::Layout::kOvms);
  raw.mount.fill = raw.fill == "none"  ? pull::Fill::kNone
                   : raw.fill == "all" ? pull::Fill::kAll
                                       : pull::Fill::kTouched;
  raw.mount.verify = raw.verify == "strict" ? pull::Verify::kStrict : pull::Verify::kLazy;
  CASTOOL_ASSIGN(raw.mount.on_demand, fusefs::OnDemandPatterns::parse(raw.on_demand));
  raw.mount.listed =
      raw.list_on_demand ? fusefs::OnDemandListed::kYes : fusefs::OnDemandListed::kNo;
  CASTOOL_ASSIGN(raw.mount.listen, finish_listen(raw.mount_listen));
  CASTOOL_RETURN_IF_ERROR(finish_max_size(raw.store.mount_max_size, raw.mount.max_size));
  for (const std::string& words : raw.mount_options) {
    CASTOOL_RETURN_IF_ERROR(apply_mount_options(words, raw.mount));
  }
  return base::ok();
}

Result<ServeArguments> finish_serve(Raw& raw) {
  constexpr std::string_view kDefaultAddress = "127.0.0.1:11435";
  if (!raw.serve_listen.listen && !raw.serve_listen.socket_path) {
    raw.serve_listen.listen = kDefaultAddress;
  }
  ServeArguments serve;
  serve.registry = raw.serve_registry;
  CASTOOL_RETURN_IF_ERROR(finish_max_size(raw.store.serve_max_size, serve.max_size));
  CASTOOL_ASSIGN(serve.listen, finish_listen(raw.serve_listen));
  return serve;
}

ExportArguments finish_export(Raw& raw) {
  raw.exported.layout = fusefs::layout_of(raw.export_layout);
  if (raw.link == "symlink") raw.exported.as = ExportAs::kLinks;
  return std::move(raw.exported);
}

// "list-models" is what "--list_models" is.
OvmsCommandArguments finish_ovms(const std::string& name, Raw& raw) {
  raw.ovms.command = name;
  raw.ovms.flag = name;
  std::replace(raw.ovms.flag.begin(), raw.ovms.flag.end(), '-', '_');
  return std::move(raw.ovms);
}

// Moves the arguments of the command `name` out, checked.
Result<CommandArguments> finish_command(const std::string& name, Raw& raw) {
  if (name == "pull") {
    CASTOOL_RETURN_IF_ERROR(finish_pull(raw));
    return CommandArguments(std::move(raw.pull));
  }
  if (name == "mount") {
    CASTOOL_RETURN_IF_ERROR(finish_mount(raw));
    return CommandArguments(std::move(raw.mount));
  }
  if (name == "serve") {
    CASTOOL_ASSIGN(auto serve, finish_serve(raw));
    return CommandArguments(std::move(serve));
  }
  if (name == "umount") return CommandArguments(std::move(raw.umount));
  if (name == "ls") return CommandArguments(raw.ls);
  if (name == "show") return CommandArguments(std::move(raw.show));
  if (name == "rm") return CommandArguments(std::move(raw.rm));
  CASTOOL_ASSIGN(auto of_store, finish_store_command(name, raw.store));
  if (of_store) return *std::move(of_store);
  if (name == "df") return CommandArguments(DfArguments{});
  if (name == "set") return CommandArguments(std::move(raw.set));
  if (name == "export") return CommandArguments(finish_export(raw));
  if (name.ends_with("-models") || name.ends_with("-config")) {
    return CommandArguments(finish_ovms(name, raw));
  }
  return CommandArguments(StatusArguments{});
}

}  // namespace

Result<std::variant<Invocation, Text>> parse_command_line(std::span<const std::string> arguments) {
  Raw raw;
  const auto app = make_parser(raw);
  try {
    // CLI11 takes them last first.
    app->parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp&) {
    const CLI::App* command = chosen_command(*app);
    return Text{command == nullptr ? app->help() : command->help(std::string(kProgram))};
  } catch (const CLI::CallForVersion&) {
    return Text{std::string(version_line()) + "\n"};
  } catch (const CLI::ParseError& failure) {
    return usage_error(*app, arguments, failure);
  }
  Invocation invocation;
  invocation.command = chosen_command(*app)->get_name();
  if (raw.timeout) {
    auto timeout = parse_duration(*raw.timeout);
    if (!timeout) return std::move(timeout).error().in("--timeout");
    raw.global.timeout = *timeout;
  }
  auto finished = finish_command(invocation.command, raw);
  if (!finished) return std::move(finished).error().in(invocation.command);
  invocation.arguments = *std::move(finished);
  invocation.global = std::move(raw.global);
  return invocation;
}

}  // namespace castool::tools
