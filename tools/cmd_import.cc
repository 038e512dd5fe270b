#include <fmt/format.h>

#include "pull/import.h"
#include "tools/commands.h"
#include "tools/credentials.h"
#include "tools/exit_status.h"
#include "tools/json_lines.h"
#include "tools/quantity.h"
#include "tools/signals.h"

namespace castool::tools {

int run_import(const ImportArguments& arguments, CommandContext& context) {
  const std::string where = "import " + arguments.path;
  SignalWatch signals(HangUp::kStop);
  const auto origins = read_origins(context.variables);
  if (!origins) return report_error(context, where, origins.error());
  const auto models = pull::scan_import(arguments.path, arguments.name);
  if (!models) return report_error(context, where, models.error());
  auto store = open_store(context, cas::Access::kWrite);
  if (!store) return report_error(context, where, store.error());
  auto refs = cas::RefStore::open(**store, context.settings.ns);
  if (!refs) return report_error(context, where, refs.error());
  int status = kExitSuccess;
  for (const pull::ImportModel& model : *models) {
    const auto began = context.clock.now();
    const auto done = pull::import_model(**store, *refs, model, *origins, signals.token());
    if (!done) {
      const int failure = report_error(context, "import " + model.name, done.error());
      status = status == kExitSuccess ? failure : status;
      if (signals.token().stop_requested()) break;
      continue;
    }
    if (context.settings.json) {
      pull::PullOutcome outcome;
      outcome.name = model.name;
      outcome.manifest = done->manifest;
      outcome.revision = model.revision;
      outcome.files = done->files;
      outcome.bytes = done->bytes;
      outcome.bytes_reused = done->bytes;
      outcome.seconds = std::chrono::duration<double>(context.clock.now() - began).count();
      context.out.line(pull_result(outcome));
    } else if (!context.settings.quiet) {
      context.out.line(fmt::format("{}: {} files, {}", printable(model.name), done->files,
                                   human_size(done->bytes)));
    }
  }
  return status;
}

}  // namespace castool::tools
