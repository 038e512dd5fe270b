#include "cas/chunk_map.h"
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

}  // namespace castool::cas
