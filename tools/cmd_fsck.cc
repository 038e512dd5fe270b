#include <fmt/format.h>

#include "pull/fsck.h"
#include "tools/commands.h"
#include "tools/credentials.h"
#include "tools/exit_status.h"
#include "tools/json_lines.h"
#include "tools/named_refs.h"
#include "tools/network_options.h"
#include "tools/quantity.h"
#include "tools/signals.h"

namespace castool::tools {
namespace {

using base::Result;

Result<pull::FsckOptions> options_of(const FsckArguments& arguments, const cas::RefStore& refs) {
  pull::FsckOptions options;
  options.mode = arguments.repair    ? pull::FsckMode::kRepair
                 : arguments.dry_run ? pull::FsckMode::kOnlyTell
                                     : pull::FsckMode::kQuarantine;
  options.depth = arguments.quick ? cas::Depth::kQuick : cas::Depth::kFull;
  options.subset = arguments.subset;
  options.ns = refs.ns();
  for (const std::string& text : arguments.names) {
    auto ref = find_ref(refs, text);
    if (!ref) return std::move(ref).error().in(text);
    options.names.push_back(ref->name);
  }
  return options;
}

Result<pull::FsckReport> check(const FsckArguments& arguments, CommandContext& context) {
  raise_file_limit();
  SignalWatch signals(HangUp::kStop);
  CASTOOL_ASSIGN(auto store, open_store_if_any(context));
  if (store == nullptr) return pull::FsckReport{};
  if (!arguments.dry_run) {
    store.reset();
    CASTOOL_ASSIGN(store, open_store(context, cas::Access::kWrite));
  }
  CASTOOL_ASSIGN(const cas::RefStore refs, cas::RefStore::open(*store, context.settings.ns));
  CASTOOL_ASSIGN(const pull::FsckOptions options, options_of(arguments, refs));
  CASTOOL_ASSIGN(pull::Origins origins, read_origins(context.variables));
  if (arguments.repair) {
    CASTOOL_ASSIGN(origins.hub_token,
                   load_hub_token(context.arguments, context.variables, context.log));
  }
  pull::Networks networks(transport_maker(context), download_limits(context), context.clock,
                          context.log);
  pull::PinnedSources sources(*store, origins, context.clock, context.log);
  return pull::check_store(*store, options, {&networks, &sources, &origins}, context.log,
                           signals.token());
}

std::string line_of(const pull::Damage& damage) {
  std::string text = damage.digest ? damage.digest->text() : printable(damage.name);
  if (damage.digest && !damage.name.empty()) text += " of " + printable(damage.name);
  text += fmt::format(": {}", word(damage.trouble));
  for (std::size_t i = 0; i < damage.bad.size() && i < 8; ++i) {
    text +=
        fmt::format("{} {}+{}", i == 0 ? " at" : ",", damage.bad[i].offset, damage.bad[i].length);
  }
  if (damage.repaired) text += "; repaired";
  if (!damage.why_not.empty()) text += "; not repaired: " + printable(damage.why_not);
  return text;
}

}  // namespace

int run_fsck(const FsckArguments& arguments, CommandContext& context) {
  const auto report = check(arguments, context);
  if (!report) return report_error(context, "fsck", report.error());
  std::uint64_t left = 0;
  for (const pull::Damage& damage : report->damaged) left += damage.repaired ? 0u : 1u;
  if (context.settings.json) {
    context.out.line(check_object(*report));
  } else {
    for (const pull::Damage& damage : report->damaged) context.out.line(line_of(damage));
    if (!context.settings.quiet) {
      context.out.line(fmt::format(
          "{} blobs, {} and {} unfinished checked: {} damaged, {} repaired, {} fetched; {} "
          "are of no model",
          report->checked, human_size(report->bytes), report->partials, report->damaged.size(),
          report->damaged.size() - left, human_size(report->bytes_fetched), report->orphans));
    }
  }
  return left == 0 ? kExitSuccess : exit_status(base::Code::kDigestMismatch);
}

}  // namespace castool::tools
