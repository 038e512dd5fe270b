#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cas/layout.h"
#include "tools/commands.h"
#include "tools/exit_status.h"
#include "tools/model_tree.h"
#include "tools/ref_lookup.h"
#include "tools/signals.h"
#include "tools/staged_tree.h"

namespace castool::tools {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using base::Status;

Result<std::vector<TreeFile>> files_of(cas::Store& store, const manifest::RefRecord& record,
                                       const ExportArguments& arguments) {
  if (!arguments.layout) return plain_tree(store, record);
  return layout_tree(store, record, *arguments.layout);
}

// A link leads out of the directory into the store, where the blob has to stay.
Status pin(cas::RefStore& refs, const std::string& name) {
  return change_record(refs, name, [](manifest::RefRecord& record) {
    record.pinned = true;
    return base::ok();
  });
}

Status add_file(StagedTree& staged, const TreeFile& file, cas::Store& store, ExportAs as,
                const std::stop_token& stop) {
  if (const auto* text = std::get_if<std::string>(&file.content)) {
    return staged.add_text(file.path, *text);
  }
  if (const auto* link = std::get_if<TreeLink>(&file.content)) {
    return staged.add_link(file.path, link->target);
  }
  const auto& digest = std::get<base::Digest>(file.content);
  if (as == ExportAs::kCopies) return staged.add_blob(file.path, store, digest, stop);
  CASTOOL_ASSIGN(const auto stored, store.size_of(digest));
  if (!stored) {
    return make_error(Code::kNotFound, file.path + " is not here yet",
                      "castool pull brings what is missing");
  }
  return staged.add_link(file.path, absolute_path(store.root()) + "/" + cas::blob_path(digest));
}

Result<std::size_t> export_model(const ExportArguments& arguments, CommandContext& context) {
  const SignalWatch signals(HangUp::kStop);
  CASTOOL_ASSIGN(const auto store,
                 open_store(context, arguments.as == ExportAs::kLinks ? cas::Access::kWrite
                                                                      : cas::Access::kRead));
  CASTOOL_ASSIGN(cas::RefStore refs, cas::RefStore::open(*store, context.settings.ns));
  CASTOOL_ASSIGN(const manifest::RefRecord record, find_record(refs, arguments.name));
  CASTOOL_ASSIGN(const auto files, files_of(*store, record, arguments));
  CASTOOL_ASSIGN(auto staged,
                 StagedTree::begin(arguments.directory, Existing::kRefuse, context.files));
  for (const TreeFile& file : files) {
    CASTOOL_RETURN_IF_ERROR(add_file(staged, file, *store, arguments.as, signals.token()));
  }
  // Before the links are there for anybody to follow.
  if (arguments.as == ExportAs::kLinks) CASTOOL_RETURN_IF_ERROR(pin(refs, record.name));
  CASTOOL_RETURN_IF_ERROR(staged.commit());
  return files.size();
}

}  // namespace

int run_export(const ExportArguments& arguments, CommandContext& context) {
  const auto files = export_model(arguments, context);
  if (!files) return report_error(context, "export " + arguments.name, files.error());
  if (context.settings.json) {
    const nlohmann::ordered_json result = {{"status", "success"},
                                           {"name", arguments.name},
                                           {"directory", absolute_path(arguments.directory)},
                                           {"files", *files}};
    context.out.line(result.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else if (!context.settings.quiet) {
    context.out.line(fmt::format("{}: {} files exported to {}", printable(arguments.name), *files,
                                 printable(arguments.directory)));
  }
  return kExitSuccess;
}

}  // namespace castool::tools
