#include <algorithm>
#include <chrono>

#include "tools/commands.h"
#include "tools/json_lines.h"
#include "tools/quantity.h"
#include "tools/table.h"

namespace castool::tools {
namespace {

using base::Result;
using base::Status;

struct Row {
  std::string ns;
  manifest::RefRecord record;
};

Result<std::vector<Row>> read_rows(const LsArguments& arguments, CommandContext& context) {
  CASTOOL_ASSIGN(const auto store, open_store_if_any(context));
  std::vector<Row> rows;
  if (store == nullptr) return rows;
  std::vector<std::string> namespaces = {context.settings.ns};
  if (arguments.all_namespaces) {
    CASTOOL_ASSIGN(namespaces, cas::RefStore::namespaces(*store));
  }
  for (const std::string& ns : namespaces) {
    CASTOOL_ASSIGN(const cas::RefStore refs, cas::RefStore::open(*store, ns));
    CASTOOL_ASSIGN(auto records, read_records(refs, context.log));
    pull::ReadRights rights(*store, ns);
    rows.reserve(rows.size() + records.size());
    for (manifest::RefRecord& record : records) {
      look_again(*store, rights, record, Count::kAll);
      rows.push_back({ns, std::move(record)});
    }
  }
  return rows;
}

// A commit is known by its first letters; other revisions are words.
std::string short_revision(const std::string& revision) {
  constexpr std::size_t kCommit = 40;
  constexpr std::size_t kShort = 8;
  const bool commit = revision.size() == kCommit &&
                      revision.find_first_not_of("0123456789abcdef") == std::string::npos;
  return commit ? revision.substr(0, kShort) : revision;
}

std::int64_t seconds_now(const base::Clock& clock) {
  return std::chrono::duration_cast<std::chrono::seconds>(clock.wall_now().time_since_epoch())
      .count();
}

std::vector<std::string> table_lines(const std::vector<Row>& rows, bool with_namespace,
                                     std::int64_t now) {
  std::vector<Column> columns = {
      {"NAME"},  {"SOURCE"}, {"REVISION"}, {"SIZE", Align::kRight}, {"PRESENT", Align::kRight},
      {"STATE"}, {"AGE"}};
  if (with_namespace) columns.insert(columns.begin(), Column{"NAMESPACE"});
  const std::size_t count = columns.size();
  Table table(std::move(columns));
  for (const auto& [ns, record] : rows) {
    Table::Row cells;
    cells.reserve(count);
    if (with_namespace) cells.push_back(ns);
    cells.push_back(record.name);
    cells.push_back(record.source);
    cells.push_back(short_revision(record.revision));
    cells.push_back(human_size(record.bytes));
    cells.push_back(human_size(record.bytes_present));
    cells.emplace_back(manifest::word(record.state));
    cells.push_back(human_age(std::max<std::int64_t>(now - record.pulled_at, 0)));
    table.add(std::move(cells));
  }
  return table.lines();
}

Status list(const LsArguments& arguments, CommandContext& context) {
  CASTOOL_ASSIGN(const std::vector<Row> rows, read_rows(arguments, context));
  if (context.settings.json) {
    for (const auto& [ns, record] : rows) {
      context.out.line(
          ref_object(record, arguments.all_namespaces ? std::optional(ns) : std::nullopt));
    }
    return base::ok();
  }
  for (const std::string& line :
       table_lines(rows, arguments.all_namespaces, seconds_now(context.clock))) {
    context.out.line(line);
  }
  return base::ok();
}

}  // namespace

int run_ls(const LsArguments& arguments, CommandContext& context) {
  return finish(context, "ls", list(arguments, context));
}

}  // namespace castool::tools
