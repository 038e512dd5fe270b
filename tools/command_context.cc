#include "tools/command_context.h"

#include <sys/resource.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "pull/model_blobs.h"
#include "tools/exit_status.h"
#include "tools/json_lines.h"

namespace castool::tools {

int report_error(Output& out, bool json, std::string_view where, const base::Error& error) {
  std::string text = error.text();
  if (!where.empty()) text = fmt::format("{}: {}", where, text);
  out.error_line(text);
  if (json) out.line(error_object(error, printable(text)));
  return exit_status(error.code);
}

int report_error(CommandContext& context, std::string_view where, const base::Error& error) {
  return report_error(context.out, context.settings.json, where, error);
}

int finish(CommandContext& context, std::string_view where, const base::Status& status) {
  return status ? kExitSuccess : report_error(context, where, status.error());
}

base::Result<std::unique_ptr<cas::Store>> open_store(CommandContext& context, cas::Access access) {
  return cas::Store::open(context.settings.store, access, context.files, context.clock,
                          context.log);
}

base::Result<std::unique_ptr<cas::Store>> open_store_if_any(CommandContext& context) {
  auto store = open_store(context, cas::Access::kRead);
  if (!store && store.error().code == base::Code::kNotFound) return std::unique_ptr<cas::Store>();
  return store;
}

base::Result<std::vector<manifest::RefRecord>> read_records(const cas::RefStore& refs,
                                                            base::Log& log) {
  CASTOOL_ASSIGN(const std::vector<cas::NamedRecord> named, refs.list());
  std::vector<manifest::RefRecord> records;
  records.reserve(named.size());
  for (const cas::NamedRecord& entry : named) {
    auto record = manifest::parse_ref_record(entry.bytes);
    if (!record) {
      log.warn("{}: its record cannot be read: {}", entry.name, record.error().text());
      continue;
    }
    record->name = entry.name;  // the file's name decides what it is called
    records.push_back(*std::move(record));
  }
  return records;
}

void look_again(const cas::Store& store, manifest::RefRecord& record, Count count) {
  using manifest::RefState;
  if (record.state == RefState::kComplete) return;
  const auto blobs = pull::model_blobs(store, record.kind, record.manifest);
  if (!blobs) return;
  const auto presence = pull::presence_of(store, *blobs, record.origin);
  if (!presence) return;
  record.bytes_present = count == Count::kAll ? presence->bytes : presence->stored;
  if (record.state != RefState::kDamaged || presence->state == RefState::kComplete) {
    record.state = presence->state;
  }
}

std::string absolute_path(const std::string& path) {
  if (char* resolved = ::realpath(path.c_str(), nullptr); resolved != nullptr) {
    std::string result(resolved);
    std::free(resolved);  // NOLINT(cppcoreguidelines-no-malloc): realpath(3) allocates with malloc
    return result;
  }
  std::error_code failure;
  const auto absolute = std::filesystem::absolute(path, failure);
  std::string result = failure ? path : absolute.lexically_normal().string();
  while (result.size() > 1 && result.ends_with('/')) result.pop_back();
  return result;
}

void raise_file_limit() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

}  // namespace castool::tools
