#include <unistd.h>

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "fetch/curl_transport.h"
#include "tools/commands.h"
#include "tools/credentials.h"
#include "tools/exit_status.h"
#include "tools/json_lines.h"
#include "tools/pull_reporter.h"
#include "tools/pull_request.h"
#include "tools/quantity.h"
#include "tools/scratch_directory.h"
#include "tools/signals.h"
#include "tools/table.h"
#include "tools/version.h"

namespace castool::tools {
namespace {

using base::Result;
using base::Status;

// Pulls one source and shows how it goes; whatever is shown is gone when this returns.
Result<pull::PullOutcome> pull_with_progress(const pull::PullContext& parts,
                                             const pull::PullRequest& request,
                                             CommandContext& context, std::stop_token stop) {
  // A dry run has a result and no course of events.
  const bool events = request.mode == pull::Mode::kFetch && !context.settings.quiet;
  if (context.settings.json && events) {
    JsonReporter reporter(context.out);
    return pull::pull(parts, request, reporter, std::move(stop));
  }
  if (!context.settings.progress || context.settings.json) {
    SilentReporter reporter;
    return pull::pull(parts, request, reporter, std::move(stop));
  }
  const ProgressStyle style = progress_style(STDERR_FILENO, variable(context.variables, "TERM"));
  ProgressDisplay display(style, STDERR_FILENO,
                          request.name.value_or(manifest::ref_name(request.source)), context.clock);
  context.log.attach(display);
  DisplayReporter reporter(display);
  auto outcome = pull::pull(parts, request, reporter, std::move(stop));
  context.log.release();
  return outcome;
}

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

struct NamedRequest {
  std::string where;  // "pull acme/x", for messages
  pull::PullRequest request;
};

// One source after the other; the exit status of the first that failed.
int pull_all(const std::vector<NamedRequest>& requests, const pull::PullContext& parts,
             bool dry_run, CommandContext& context, std::stop_token stop) {
  int status = kExitSuccess;
  for (const NamedRequest& named : requests) {
    const auto outcome = pull_with_progress(parts, named.request, context, stop);
    if (outcome) {
      print_outcome(*outcome, dry_run, context);
      continue;
    }
    if (context.out.reader_gone()) return status;
    const int failure = report_error(context, named.where, outcome.error());
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

}  // namespace

int run_pull(const PullArguments& arguments, CommandContext& context) {
  raise_file_limit();
  // Before any thread, so that no other thread ever takes the signals.
  SignalWatch signals(HangUp::kStop);
  // Nothing is fetched when one of several sources is wrong.
  std::vector<NamedRequest> requests;
  for (const std::string& source : arguments.sources) {
    auto request = pull_request(source, arguments);
    const std::string where = "pull " + source_label(source);
    if (!request) return report_error(context, where, request.error());
    requests.push_back({where, *std::move(request)});
  }
  auto prepared = prepare(arguments.dry_run, context);
  if (!prepared) return report_error(context, "pull", prepared.error());
  auto refs = cas::RefStore::open(*prepared->store, context.settings.ns);
  if (!refs) return report_error(context, "pull", refs.error());

  const auto transport = fetch::make_curl_transport(
      {std::string(user_agent()), context.settings.ca_file, context.settings.ca_directory},
      context.clock, context.log);
  fetch::DownloadLimits limits;
  limits.connections = arguments.connections;
  limits.bytes_per_second = arguments.bytes_per_second;
  limits.timeout = context.settings.timeout;
  const auto backoff = std::make_shared<fetch::HostBackoff>();
  const auto budget = std::make_shared<fetch::TransferBudget>(
      limits.connections, limits.bytes_per_second, context.clock);
  fetch::HttpClient http(*transport, context.clock, context.log, backoff, budget, limits.timeout);
  fetch::Downloader downloader(*transport, limits, context.clock, context.log, backoff, budget);
  const pull::PullContext parts = {*prepared->store,  *refs,         http,       downloader,
                                   prepared->origins, context.clock, context.log};
  context.out.on_reader_gone([&signals] { signals.request_stop(); });
  return pull_all(requests, parts, arguments.dry_run, context, signals.token());
}

}  // namespace castool::tools
