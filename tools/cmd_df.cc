#include <sys/statvfs.h>

#include <filesystem>

#include "tools/commands.h"
#include "tools/json_lines.h"
#include "tools/quantity.h"
#include "tools/table.h"

namespace castool::tools {
namespace {

using base::Result;
using base::Status;

// Free space where a store would be made: of the nearest directory that exists.
std::uint64_t free_bytes_near(const std::string& path) {
  std::filesystem::path place(absolute_path(path));
  struct statvfs found = {};
  while (::statvfs(place.c_str(), &found) != 0) {
    if (!place.has_relative_path()) return 0;
    place = place.parent_path();
  }
  return static_cast<std::uint64_t>(found.f_bavail) * found.f_frsize;
}

Result<UsageReport> read_usage(CommandContext& context) {
  CASTOOL_ASSIGN(const auto store, open_store_if_any(context));
  if (store == nullptr) {
    UsageReport empty;
    empty.free_bytes = free_bytes_near(context.settings.store);
    return empty;
  }
  std::vector<manifest::RefRecord> records;
  CASTOOL_ASSIGN(const auto namespaces, cas::RefStore::namespaces(*store));
  for (const std::string& ns : namespaces) {
    CASTOOL_ASSIGN(const cas::RefStore refs, cas::RefStore::open(*store, ns));
    CASTOOL_ASSIGN(auto more, read_records(refs, context.log));
    // What is unfinished is stored for each origin, so nothing of it is saved.
    pull::ReadRights rights(*store, ns);
    for (manifest::RefRecord& record : more) {
      look_again(*store, rights, record, Count::kStoredOnly);
    }
    records.insert(records.end(), std::make_move_iterator(more.begin()),
                   std::make_move_iterator(more.end()));
  }
  CASTOOL_ASSIGN(const cas::StoreUsage usage, store->usage());
  return usage_report(usage, records);
}

Status print_usage(CommandContext& context) {
  CASTOOL_ASSIGN(const UsageReport report, read_usage(context));
  if (context.settings.json) {
    context.out.line(usage_object(report));
    return base::ok();
  }
  Table table({{"REFS", Align::kRight},
               {"BLOBS", Align::kRight},
               {"LOGICAL", Align::kRight},
               {"STORED", Align::kRight},
               {"SAVED", Align::kRight},
               {"PARTIAL", Align::kRight},
               {"FREE", Align::kRight},
               {"STORE"}});
  table.add({std::to_string(report.refs), std::to_string(report.blobs),
             human_size(report.logical_bytes), human_size(report.stored_bytes),
             human_size(report.saved_bytes), human_size(report.partial_bytes),
             human_size(report.free_bytes), context.settings.store});
  for (const std::string& line : table.lines()) context.out.line(line);
  return base::ok();
}

}  // namespace

int run_df(const DfArguments&, CommandContext& context) {
  return finish(context, "df", print_usage(context));
}

}  // namespace castool::tools
