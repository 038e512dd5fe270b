#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cas/layout.h"
#include "cas/lease.h"
#include "tools/commands.h"
#include "tools/exit_status.h"
#include "tools/model_tree.h"
#include "tools/mount_filler.h"
#include "tools/named_refs.h"
#include "tools/signals.h"
#include "tools/staged_tree.h"

namespace castool::tools {
namespace {

using base::Result;
using base::Status;

Result<std::vector<TreeFile>> files_of(cas::Store& store, const std::string& ns,
                                       const manifest::RefRecord& record,
                                       const ExportArguments& arguments) {
  pull::ReadRights rights(store, ns);
  if (!arguments.layout) return plain_tree(store, reads_by(rights), record);
  return layout_tree(store, reads_by(rights), record, *arguments.layout);
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
  if (!stored) return not_here_yet(file.path, digest);
  return staged.add_link(file.path, absolute_path(store.root()) + "/" + cas::blob_path(digest));
}

// For writing, so that gc can be told what is needed; copies may also be made of a store that this
// user only may read.
Result<std::unique_ptr<cas::Store>> open_for_export(const ExportArguments& arguments,
                                                    CommandContext& context) {
  CASTOOL_ASSIGN(auto existing, open_store_if_any(context));
  if (existing == nullptr) return no_such_model();
  auto writable = open_store(context, cas::Access::kWrite);
  const bool only_readable = !writable && writable.error().code == base::Code::kStoreRefused &&
                             arguments.as == ExportAs::kCopies;
  if (!only_readable) return writable;
  context.log.info("a gc could take what is exported: {}", writable.error().text());
  return existing;
}

// Before the record is read: what it names then stays until the end. Null where nothing can be
// written.
Result<std::shared_ptr<cas::Lease>> lease_of(cas::Store& store, const std::stop_token& stop) {
  if (!store.require_writable()) return std::shared_ptr<cas::Lease>();
  return cas::Lease::take(store, stop);
}

std::vector<base::Digest> digests_of(const std::vector<TreeFile>& files) {
  std::vector<base::Digest> digests;
  digests.reserve(files.size());
  for (const TreeFile& file : files) {
    if (const auto* digest = std::get_if<base::Digest>(&file.content)) digests.push_back(*digest);
  }
  return digests;
}

Result<std::size_t> export_model(const ExportArguments& arguments, CommandContext& context) {
  const SignalWatch signals(HangUp::kStop);
  CASTOOL_ASSIGN(const auto store, open_for_export(arguments, context));
  CASTOOL_ASSIGN(cas::RefStore refs, cas::RefStore::open(*store, context.settings.ns));
  CASTOOL_ASSIGN(const auto lease, lease_of(*store, signals.token()));
  CASTOOL_ASSIGN(const manifest::RefRecord record, find_record(refs, arguments.name));
  CASTOOL_ASSIGN(const auto files, files_of(*store, refs.ns(), record, arguments));
  if (lease) CASTOOL_RETURN_IF_ERROR(lease->add(digests_of(files), signals.token()));
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
