#include "cas/checksum.h"
#include "cas/chunk_map.h"
#include "cas/inspect.h"
#include "cas/layout.h"
#include "cas/partial.h"
#include "cas/read_file.h"
#include "cas/table_file.h"

namespace castool::cas {
namespace {

// nullopt: gone meanwhile, or no table of ours.
base::Result<std::optional<PartialInfo>> look_at(const Store& store, const std::string& path) {
  CASTOOL_ASSIGN(auto fd, open_for_reading(store.dir(), path + "/" + kTableFile));
  if (!fd) return std::optional<PartialInfo>();
  const TableFile table(*std::move(fd), store.files());
  CASTOOL_ASSIGN(const auto header, table.read_header());
  if (!header) return std::optional<PartialInfo>();
  PartialInfo info;
  info.digest = header->digest;
  info.origin = header->origin;
  info.size = header->size;
  const std::uint64_t count = chunk_count(header->size);
  CASTOOL_ASSIGN(const auto records, table.read_records({0, count}));
  for (std::uint64_t chunk = 0; chunk < count; ++chunk) {
    if (records[chunk].present()) info.present += chunk_length(header->size, chunk);
  }
  CASTOOL_ASSIGN(info.pids, table.read_pids());
  return std::optional(std::move(info));
}

}  // namespace

base::Result<std::vector<PartialInfo>> list_partials(const Store& store) {
  std::vector<PartialInfo> partials;
  CASTOOL_ASSIGN(const auto names, list_dir(store.dir(), kPartialsDir));
  for (const std::string& name : names) {
    CASTOOL_ASSIGN(auto info, look_at(store, std::string(kPartialsDir) + "/" + name));
    if (info) partials.push_back(*std::move(info));
  }
  return partials;
}

base::Result<std::optional<PartialInfo>> find_partial(const Store& store,
                                                      const base::Digest& digest,
                                                      const std::string& origin) {
  return look_at(store, partial_dir(digest, origin));
}

base::Result<std::vector<base::ByteRange>> inspect_partial(const Store& store,
                                                           const PartialInfo& partial,
                                                           const std::stop_token& stop) {
  std::vector<base::ByteRange> bad;
  const std::string path = partial_dir(partial.digest, partial.origin);
  CASTOOL_ASSIGN(auto table_fd, open_for_reading(store.dir(), path + "/" + kTableFile));
  CASTOOL_ASSIGN(const auto data, open_for_reading(store.dir(), path + "/" + kDataFile));
  if (!table_fd || !data) return bad;  // published, or removed, meanwhile
  const TableFile table(*std::move(table_fd), store.files());
  const std::uint64_t count = chunk_count(partial.size);
  CASTOOL_ASSIGN(const auto records, table.read_records({0, count}));
  std::vector<std::byte> bytes;
  for (std::uint64_t chunk = 0; chunk < count; ++chunk) {
    if (stop.stop_requested()) return base::make_error(base::Code::kCancelled, "interrupted");
    if (!records[chunk].present()) continue;
    bytes.resize(chunk_length(partial.size, chunk));
    CASTOOL_ASSIGN(const std::size_t got, read_at(data->get(), chunk * kChunkSize, bytes));
    if (got == bytes.size() && xxh3(bytes) == records[chunk].xxh3) continue;
    CASTOOL_ASSIGN(const auto again, table.read_records({chunk, 1}));
    if (again[0] == records[chunk]) bad.push_back({chunk * kChunkSize, bytes.size()});
  }
  return bad;
}

}  // namespace castool::cas
