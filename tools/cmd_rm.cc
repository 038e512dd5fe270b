#include <fmt/format.h>

#include "manifest/source.h"
#include "tools/commands.h"
#include "tools/exit_status.h"
#include "tools/json_lines.h"

namespace castool::tools {
namespace {

using base::Code;
using base::Result;

// Removes one ref; its name in the spelling that it was stored under.
Result<std::string> remove_one(cas::RefStore* refs, const std::string& text) {
  CASTOOL_ASSIGN(const auto names, manifest::lookup_names(text));
  for (const std::string& name : names) {
    if (refs == nullptr) break;
    const base::Status removed = refs->remove(name);
    if (removed) return name;
    if (removed.error().code != Code::kNotFound) return removed.error();
  }
  return base::make_error(Code::kNotFound, "no model of that name is here",
                          "castool ls lists them");
}

// Null when there is no store: rm creates nothing.
Result<std::unique_ptr<cas::Store>> open_for_removal(CommandContext& context) {
  CASTOOL_ASSIGN(auto existing, open_store_if_any(context));
  if (existing == nullptr) return existing;
  existing.reset();
  return open_store(context, cas::Access::kWrite);
}

}  // namespace

int run_rm(const RmArguments& arguments, CommandContext& context) {
  const auto store = open_for_removal(context);
  if (!store) return report_error(context, "rm", store.error());
  std::optional<cas::RefStore> refs;
  if (*store != nullptr) {
    auto opened = cas::RefStore::open(**store, context.settings.ns);
    if (!opened) return report_error(context, "rm", opened.error());
    refs = *std::move(opened);
  }
  int status = kExitSuccess;
  std::uint64_t removed = 0;
  for (const std::string& text : arguments.names) {
    const auto name = remove_one(refs ? &*refs : nullptr, text);
    if (!name) {
      const int failure = report_error(context, "rm " + text, name.error());
      status = status == kExitSuccess ? failure : status;
      continue;
    }
    ++removed;
    if (!context.settings.json && !context.settings.quiet) {
      context.out.line(fmt::format("{}: removed", *name));
    }
  }
  // Blobs stay until gc, so that a ref made again right away finds them.
  if (context.settings.json) context.out.line(removal_object(removed, 0, 0));
  return status;
}

}  // namespace castool::tools
