#include <optional>
#include <utility>

#include <fmt/format.h>

#include "manifest/ovms_loras.h"
#include "tools/commands.h"
#include "tools/convert_model.h"
#include "tools/credentials.h"
#include "tools/exit_status.h"
#include "tools/json_lines.h"
#include "tools/named_refs.h"
#include "tools/network_options.h"
#include "tools/pull_delivery.h"
#include "tools/pull_display.h"
#include "tools/pull_reporter.h"
#include "tools/pull_request.h"
#include "tools/quantity.h"
#include "tools/scratch_directory.h"
#include "tools/signals.h"
#include "tools/table.h"
#include "tools/update_report.h"

namespace castool::tools {
namespace {

using base::Result;
using base::Status;

std::string_view plan_word(const pull::PlannedFile& file) {
  if (file.present) return "present";
  return file.later ? "on reading" : "to fetch";
}

void print_plan(const pull::PullOutcome& outcome, CommandContext& context) {
  const DryRunReport report = dry_run_report(outcome.planned);
  if (context.settings.json) {
    for (const pull::PlannedFile& file : outcome.planned) context.out.line(planned_file(file));
    context.out.line(dry_run_result(report));
    return;
  }
  Table table({{"SIZE", Align::kRight}, {"STATE"}, {"FILE"}});
  for (const pull::PlannedFile& file : outcome.planned) {
    table.add({human_size(file.bytes), std::string(plan_word(file)), file.path});
  }
  for (const std::string& line : table.lines()) context.out.line(line);
  context.out.line(fmt::format("{}: {} files, {}, {} to fetch", printable(outcome.name),
                               report.files, human_size(report.bytes),
                               human_size(report.bytes_to_fetch)));
}

void print_outcome(const pull::PullOutcome& outcome, bool dry_run, CommandContext& context) {
  if (dry_run) {
    print_plan(outcome, context);
  } else if (context.settings.json) {
    context.out.line(pull_result(outcome));
  } else if (!context.settings.quiet) {
    context.out.line(success_line(outcome));
  }
  static_cast<void>(context.out.flush());  // main() looks at the error at the end
}

// What a dry run would change of the ref that is there.
Status print_changes(const pull::PullOutcome& outcome, const pull::PullContext& parts,
                     CommandContext& context) {
  CASTOOL_ASSIGN(const auto was, find_record(parts.refs, outcome.name));
  CASTOOL_ASSIGN(const auto known, known_files(parts.store, was));
  const UpdateReport report = update_report(known, outcome.planned);
  if (context.settings.json) {
    context.out.line(update_object(outcome, report));
    return base::ok();
  }
  const auto list = [&](std::string_view mark, const std::vector<std::string>& paths) {
    for (const std::string& path : paths)
      context.out.line(fmt::format("{} {}", mark, printable(path)));
  };
  list("+", report.added);
  list("~", report.changed);
  list("-", report.removed);
  context.out.line(report.nothing() ? fmt::format("{}: up to date", printable(outcome.name))
                                    : fmt::format("{}: {} new, {} changed, {} gone, {} to fetch",
                                                  printable(outcome.name), report.added.size(),
                                                  report.changed.size(), report.removed.size(),
                                                  human_size(report.bytes_to_fetch)));
  return base::ok();
}

struct NamedRequest {
  std::string where;  // "pull acme/x", for messages
  pull::PullRequest request;
  OvmsRequest ovms;  // source_model is where it goes in the repository
  bool tell_changes = false;
};

Status deliver_and_print(const NamedRequest& named, const Repository& repository,
                         const std::string& name, const pull::PullContext& parts,
                         CommandContext& context, const std::stop_token& stop) {
  CASTOOL_ASSIGN(const auto record, find_record(parts.refs, name));
  CASTOOL_RETURN_IF_ERROR(deliver(repository, named.ovms, parts.store, record, context, stop));
  print_delivery(repository, named.ovms, record, context);
  return base::ok();
}

Status pull_one(const NamedRequest& named, const std::optional<Repository>& repository,
                const pull::PullContext& parts, CommandContext& context, std::stop_token stop) {
  const bool dry_run = named.request.mode == pull::Mode::kDryRun;
  const bool delivers = repository && !dry_run;
  if (delivers) {
    CASTOOL_ASSIGN(const bool kept, keep_existing(*repository, named.ovms, context));
    if (kept) {
      print_delivery(*repository, named.ovms, {}, context);
      return base::ok();
    }
  }
  const PullModel pull_model = [&](const std::string& label, const pull::PullContext& with,
                                   const pull::PullRequest& what) {
    return show_pull(label, what.mode, context, [&](pull::PullEvents& events) {
      return pull::pull(with, what, events, stop);
    });
  };
  const bool converts = named.ovms.convert && !dry_run;
  const pull::PullRequest& request = named.request;
  CASTOOL_ASSIGN(const auto outcome,
                 converts ? convert_model(parts, request, pull_model, context, stop)
                          : pull_model(request.name.value_or(manifest::ref_name(request.source)),
                                       parts, request));
  if (named.tell_changes) return print_changes(outcome, parts, context);
  print_outcome(outcome, dry_run, context);
  if (!delivers) return base::ok();
  return deliver_and_print(named, *repository, outcome.name, parts, context, stop);
}

// One source after the other; the exit status of the first that failed.
int pull_all(const std::vector<NamedRequest>& requests, const std::optional<Repository>& repository,
             const pull::PullContext& parts, CommandContext& context, std::stop_token stop) {
  int status = kExitSuccess;
  for (const NamedRequest& named : requests) {
    const Status pulled = pull_one(named, repository, parts, context, stop);
    if (pulled) continue;
    if (context.out.reader_gone()) return status;
    const int failure = report_error(context, named.where, pulled.error());
    status = status == kExitSuccess ? failure : status;
    if (stop.stop_requested()) break;
  }
  return status;
}

struct Prepared {
  pull::Origins origins;
  std::optional<ScratchDirectory> scratch;
  std::unique_ptr<cas::Store> store;
};

// A dry run writes nothing: without a store it looks at an empty one that goes away again.
Status open_for_looking(Prepared& prepared, CommandContext& context) {
  CASTOOL_ASSIGN(prepared.store, open_store_if_any(context));
  if (prepared.store != nullptr) return base::ok();
  CASTOOL_ASSIGN(auto scratch, ScratchDirectory::create());
  prepared.scratch.emplace(std::move(scratch));
  CASTOOL_ASSIGN(prepared.store, cas::Store::open(prepared.scratch->path(), cas::Access::kWrite,
                                                  context.files, context.clock, context.log));
  return base::ok();
}

Result<Prepared> prepare(bool dry_run, CommandContext& context) {
  Prepared prepared;
  CASTOOL_ASSIGN(prepared.origins, read_origins(context.variables));
  CASTOOL_ASSIGN(prepared.origins.hub_token,
                 load_hub_token(context.arguments, context.variables, context.log));
  if (dry_run) {
    CASTOOL_RETURN_IF_ERROR(open_for_looking(prepared, context));
  } else {
    CASTOOL_ASSIGN(prepared.store, open_store(context, cas::Access::kWrite));
  }
  return prepared;
}

// A model of OVMS's form is one of the Hub whatever its name looks like.
Result<NamedRequest> name_request(const std::string& source, bool as_ovms,
                                  const PullArguments& arguments, const OvmsRequest& ovms) {
  NamedRequest named{"pull " + source_label(source), {}, ovms, arguments.tell_changes};
  PullArguments adapted = arguments;
  if (as_ovms) adapted.from = manifest::SourceKind::kHub;
  auto request = pull_request(source, adapted, ovms);
  if (!request) return std::move(request).error().in(named.where);
  named.request = *std::move(request);
  named.ovms.source_model = named.request.name.value_or(manifest::ref_name(named.request.source));
  return named;
}

// What a graph would name has to be there when OVMS loads it.
Status check_local_adapters(const OvmsRequest& ovms) {
  const auto text = ovms.options.find("source_loras");
  if (text == ovms.options.end()) return base::ok();
  CASTOOL_ASSIGN(const auto loras, manifest::parse_source_loras(text->second));
  for (const manifest::LoraAdapter& adapter : loras.adapters) {
    const bool local = adapter.origin == manifest::LoraOrigin::kLocal;
    if (local && ::access(adapter.source.c_str(), R_OK) != 0) {
      return base::make_error(base::Code::kUsage,
                              "source_loras: there is no file " + printable(adapter.source));
    }
  }
  return base::ok();
}

// Nothing is fetched when one of several sources is wrong.
Result<std::vector<NamedRequest>> name_requests(const PullArguments& arguments,
                                                const OvmsRequest& ovms) {
  CASTOOL_RETURN_IF_ERROR(check_local_adapters(ovms));
  std::vector<NamedRequest> requests;
  if (!ovms.source_model.empty()) {
    CASTOOL_ASSIGN(auto named, name_request(ovms.source_model, true, arguments, ovms));
    requests.push_back(std::move(named));
  }
  for (const std::string& source : arguments.sources) {
    CASTOOL_ASSIGN(auto named, name_request(source, false, arguments, ovms));
    requests.push_back(std::move(named));
  }
  return requests;
}

int pull_requests(const std::vector<NamedRequest>& requests,
                  const std::optional<Repository>& repository, const PullArguments& arguments,
                  CommandContext& context, const std::stop_token& stop) {
  auto prepared = prepare(arguments.dry_run, context);
  if (!prepared) return report_error(context, "pull", prepared.error());
  auto refs = cas::RefStore::open(*prepared->store, context.settings.ns);
  if (!refs) return report_error(context, "pull", refs.error());

  const auto transport = transport_maker(context)();
  if (!transport) return report_error(context, "pull", transport.error());
  fetch::DownloadLimits limits = download_limits(context);
  limits.connections = arguments.connections;
  limits.bytes_per_second = arguments.bytes_per_second;
  const auto backoff = std::make_shared<fetch::HostBackoff>();
  const auto budget = std::make_shared<fetch::TransferBudget>(
      limits.connections, limits.bytes_per_second, context.clock);
  fetch::HttpClient http(**transport, context.clock, context.log, backoff, budget, limits.timeout);
  fetch::Downloader downloader(**transport, limits, context.clock, context.log, backoff, budget);
  const pull::PullContext parts = {*prepared->store,  *refs,         http,       downloader,
                                   prepared->origins, context.clock, context.log};
  return pull_all(requests, repository, parts, context, stop);
}

}  // namespace

int run_pull(const PullArguments& arguments, CommandContext& context) {
  raise_file_limit();
  // Before any thread, so that no other thread ever takes the signals.
  SignalWatch signals(HangUp::kStop);
  const auto ovms = ovms_request(arguments, context.variables);
  if (!ovms) return report_error(context, "pull", ovms.error());
  if (ovms->action != OvmsAction::kPull) {
    return finish(context, "pull", act_as_ovms(*ovms, context));
  }
  const auto requests = name_requests(arguments, *ovms);
  if (!requests) return report_error(context, "", requests.error());
  std::optional<Repository> repository;
  if (ovms->repository_path) repository = look_at_repository(*ovms->repository_path);
  auto settings = settings_for(repository, context);
  if (!settings) return report_error(context, "pull", settings.error());
  CommandContext placed = {context.arguments, *settings,     context.variables, context.out,
                           context.log,       context.clock, context.files};
  context.out.on_reader_gone([&signals] { signals.request_stop(); });
  return pull_requests(*requests, repository, arguments, placed, signals.token());
}

}  // namespace castool::tools
