#include "tools/command_context.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <thread>

#include <fmt/format.h>

#include "pull/model_blobs.h"
#include "pull/parallel.h"
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
  // Parsing takes longer than reading: what is many is parsed beside each other.
  constexpr std::size_t kPiece = 500;
  std::vector<base::Result<manifest::RefRecord>> parsed(named.size(), manifest::RefRecord());
  const auto parse_piece = [&](std::size_t piece, const std::stop_token&) {
    const std::size_t end = std::min(named.size(), (piece + 1) * kPiece);
    for (std::size_t i = piece * kPiece; i < end; ++i) {
      parsed[i] = manifest::parse_ref_record(named[i].bytes);
    }
    return base::ok();
  };
  const std::size_t pieces = (named.size() + kPiece - 1) / kPiece;
  const std::size_t workers = std::max(std::thread::hardware_concurrency(), 1u);
  if (pieces > 1) {
    CASTOOL_RETURN_IF_ERROR(pull::run_parallel(pieces, workers, parse_piece, {}));
  } else {
    CASTOOL_RETURN_IF_ERROR(parse_piece(0, {}));
  }
  std::vector<manifest::RefRecord> records;
  records.reserve(named.size());
  for (std::size_t i = 0; i < named.size(); ++i) {
    if (!parsed[i]) {
      log.warn("{}: its record cannot be read: {}", named[i].name, parsed[i].error().text());
      continue;
    }
    parsed[i]->name = named[i].name;  // the file's name decides what it is called
    records.push_back(*std::move(parsed[i]));
  }
  return records;
}

void look_again(const cas::Store& store, pull::ReadRights& rights, manifest::RefRecord& record,
                Count count) {
  using manifest::RefState;
  if (record.state == RefState::kComplete) return;
  const auto blobs = pull::model_blobs(store, record.kind, record.manifest);
  if (!blobs) return;
  const auto presence = pull::presence_of(
      store, *blobs, record.origin,
      [&](const base::Digest& digest) { return rights.may_read(record.origin, digest); });
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
