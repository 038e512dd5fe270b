#include "pull/blob_mender.h"

#include <algorithm>
#include <memory>

#include "cas/read_file.h"
#include "pull/blob_fetcher.h"
#include "pull/waiting.h"

namespace castool::pull {

using base::Result;
using base::Status;

std::vector<base::ByteRange> good_ranges(std::uint64_t size,
                                         const std::vector<base::ByteRange>& bad) {
  std::vector<base::ByteRange> good;
  std::uint64_t at = 0;
  for (const base::ByteRange& range : bad) {
    if (range.offset >= size) break;
    if (range.offset > at) good.push_back({at, range.offset - at});
    at = range.end();
  }
  if (at < size) good.push_back({at, size - at});
  return good;
}

Result<std::uint64_t> BlobMender::mend(const BlobHome& home, const cas::PartialKey& key, int old,
                                       const std::vector<base::ByteRange>& bad,
                                       const std::stop_token& stop) {
  if (old >= 0) CASTOOL_RETURN_IF_ERROR(save_good(key, old, bad, stop));
  CASTOOL_ASSIGN(Network* const network, networks_.of(key.origin));
  BlobRequest request;
  request.key = key;
  request.addresses = sources_.addresses(home, key, network->http);
  request.progress = std::make_shared<FileProgress>(key.digest.text(), key.digest.text(), key.size);
  BlobFetcher fetcher(store_, network->downloader, store_.clock(), log_);
  CASTOOL_RETURN_IF_ERROR(fetcher.fetch(request, stop));
  return request.progress->received();
}

Status BlobMender::save_good(const cas::PartialKey& key, int old,
                             const std::vector<base::ByteRange>& bad, const std::stop_token& stop) {
  CASTOOL_ASSIGN(const auto partial, store_.open_partial(key, cas::Preallocate::kYes, stop));
  std::vector<std::byte> buffer(cas::kChunkSize);
  for (const base::ByteRange& range : good_ranges(key.size, bad)) {
    for (;;) {
      if (stop.stop_requested()) return cancelled_error();
      CASTOOL_ASSIGN(const auto writer, partial->claim(range.offset, cas::kChunkSize, range));
      if (!writer) break;
      const auto want = writer->end_offset() - writer->next_offset();
      const auto bytes = std::span(buffer).first(static_cast<std::size_t>(want));
      CASTOOL_ASSIGN(const std::size_t got, cas::read_at(old, writer->next_offset(), bytes));
      CASTOOL_RETURN_IF_ERROR(writer->append(bytes.first(got)));
      if (got < want) break;  // shorter than it was: fetched like the rest
    }
  }
  return base::ok();
}

}  // namespace castool::pull
