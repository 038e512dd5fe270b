#include <fmt/format.h>

#include "pull/gc.h"
#include "tools/commands.h"
#include "tools/exit_status.h"
#include "tools/json_lines.h"
#include "tools/quantity.h"
#include "tools/signals.h"

namespace castool::tools {
namespace {

using base::Status;

std::string_view kind_word(pull::GcItem::Kind kind) {
  switch (kind) {
    case pull::GcItem::Kind::kRef: return "model";
    case pull::GcItem::Kind::kBlob: return "blob";
    case pull::GcItem::Kind::kPartial: return "partial";
    case pull::GcItem::Kind::kQuarantined: return "quarantined";
  }
  return "";
}

void print_item(const pull::GcItem& item, bool dry_run, CommandContext& context) {
  if (context.settings.json) {
    // The result is one object; what would go is told besides.
    if (dry_run) {
      context.out.line(garbage_object(kind_word(item.kind), item.what, item.bytes, word(item.why)));
    }
    return;
  }
  // A dry run is asked for this; otherwise names are told, and blobs only with -v.
  const bool name = item.kind == pull::GcItem::Kind::kRef;
  if (!dry_run && !name && context.settings.verbose == 0) return;
  const std::string size = name ? std::string() : human_size(item.bytes) + ", ";
  context.out.line(
      fmt::format("{} {}: {}{}", kind_word(item.kind), printable(item.what), size, word(item.why)));
}

Status collect(const GcArguments& arguments, CommandContext& context) {
  SignalWatch signals(HangUp::kStop);
  CASTOOL_ASSIGN(auto store, open_store_if_any(context));
  pull::GcReport report;
  if (store != nullptr) {
    if (!arguments.dry_run) {
      store.reset();
      CASTOOL_ASSIGN(store, open_store(context, cas::Access::kWrite));
    }
    const pull::GcOptions options = {
        arguments.dry_run ? pull::GcMode::kOnlyTell : pull::GcMode::kDelete,
        arguments.partials ? pull::PartialAge::kAny : pull::PartialAge::kOld, arguments.max_size};
    CASTOOL_ASSIGN(report, pull::collect_garbage(*store, options, signals.token()));
  }
  for (const pull::GcItem& item : report.items) print_item(item, arguments.dry_run, context);
  if (context.settings.json) {
    context.out.line(removal_object(report.removed_refs, report.removed_blobs, report.freed_bytes));
  } else if (!context.settings.quiet) {
    context.out.line(fmt::format("{} models, {} blobs, {} {}", report.removed_refs,
                                 report.removed_blobs, human_size(report.freed_bytes),
                                 arguments.dry_run ? "would be freed" : "freed"));
  }
  if (arguments.max_size && report.bytes_left > *arguments.max_size) {
    context.log.warn("{} stay, more than {}: the rest is pinned, open or still arriving",
                     human_size(report.bytes_left), human_size(*arguments.max_size));
  }
  return base::ok();
}

}  // namespace

int run_gc(const GcArguments& arguments, CommandContext& context) {
  return finish(context, "gc", collect(arguments, context));
}

}  // namespace castool::tools
