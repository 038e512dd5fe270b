#include "cas/inspect.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "cas/checksum.h"
#include "cas/chunk_table.h"
#include "cas/layout.h"
#include "cas/partial.h"
#include "cas/read_file.h"
#include "cas/stamp.h"
#include "cas/sums.h"

namespace castool::cas {
namespace {

struct Read {
  std::uint64_t size = 0;
  std::vector<std::uint64_t> sums;
  std::optional<base::Digest> digest;  // unless only checksums were wanted
};

enum class Hashing { kSumsOnly, kSha256 };

base::Result<Read> read_all(int fd, Hashing hashing, const std::stop_token& stop) {
  Read read;
  base::Sha256 sha256;
  std::vector<std::byte> buffer(kChunkSize);
  (void)::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  for (;;) {
    if (stop.stop_requested()) return base::make_error(base::Code::kCancelled, "interrupted");
    CASTOOL_ASSIGN(const std::size_t got, read_at(fd, read.size, buffer));
    if (got == 0) break;
    const auto bytes = std::span<const std::byte>(buffer).first(got);
    read.sums.push_back(xxh3(bytes));
    if (hashing == Hashing::kSha256) sha256.update(bytes);
    read.size += got;
    if (got < buffer.size()) break;
  }
  if (hashing == Hashing::kSha256) read.digest = sha256.finish();
  return read;
}

void note_good(Store& store, const Blob& blob, const Read& read, bool has_sums) {
  if (!store.require_writable()) return;
  // Caches both: without them later checks are only slower.
  if (!has_sums) {
    (void)write_sums(store.files(), store.dir(), blob.digest, blob.size, read.sums);
  }
  (void)write_stamp(store.files(), store.dir(), blob.digest, blob.fd.get());
}

base::Status look_at_file(const Store& store, Inspection& found) {
  struct stat blob = {};
  struct stat root = {};
  if (::fstat(found.blob.fd.get(), &blob) != 0 || ::fstat(store.dir(), &root) != 0) {
    return base::errno_error(errno, "stat " + found.blob.digest.text());
  }
  found.wrong_mode = (blob.st_mode & 07777) != kBlobMode;
  found.wrong_owner = blob.st_uid != root.st_uid;
  return base::ok();
}

void add(std::vector<base::ByteRange>& ranges, std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return;
  if (!ranges.empty() && ranges.back().end() == offset) {
    ranges.back().length += length;
  } else {
    ranges.push_back({offset, length});
  }
}

}  // namespace

std::vector<base::ByteRange> bad_ranges(std::uint64_t size, std::uint64_t file_size,
                                        const std::vector<std::uint64_t>& recorded,
                                        const std::vector<std::uint64_t>& found) {
  std::vector<base::ByteRange> bad;
  for (std::uint64_t chunk = 0; chunk < chunk_count(size); ++chunk) {
    const bool whole = chunk < found.size() && chunk < recorded.size() &&
                       file_size >= chunk * kChunkSize + chunk_length(size, chunk);
    // The last chunk of a file that is too long has more bytes than its checksum is of.
    if (whole && recorded[chunk] == found[chunk]) continue;
    add(bad, chunk * kChunkSize, chunk_length(size, chunk));
  }
  if (file_size > size) add(bad, size, file_size - size);
  return bad;
}

base::Result<std::optional<Inspection>> inspect_blob(Store& store, const base::Digest& digest,
                                                     std::optional<std::uint64_t> size, Depth depth,
                                                     const std::stop_token& stop) {
  CASTOOL_ASSIGN(auto blob, store.find(digest));
  if (!blob) return std::optional<Inspection>();
  Inspection found;
  found.blob = *std::move(blob);
  CASTOOL_RETURN_IF_ERROR(look_at_file(store, found));
  const std::uint64_t wanted = size.value_or(found.blob.size);
  const auto recorded = read_sums(store.dir(), digest, wanted);
  const bool quick = depth == Depth::kQuick && recorded;
  CASTOOL_ASSIGN(const Read read, read_all(found.blob.fd.get(),
                                           quick ? Hashing::kSumsOnly : Hashing::kSha256, stop));
  found.good = quick ? read.size == wanted && read.sums == *recorded : read.digest == digest;
  if (found.good) {
    note_good(store, found.blob, read, recorded == read.sums);
  } else if (recorded) {
    found.bad = bad_ranges(wanted, read.size, *recorded, read.sums);
    // Right checksums of wrong bytes: they were made from them.
    if (found.bad.empty()) found.bad = {{0, wanted}};
  } else {
    found.bad = {{0, wanted}};
  }
  return std::optional(std::move(found));
}

base::Status mend_mode(Store& store, const Blob& blob) {
  CASTOOL_RETURN_IF_ERROR(store.require_writable());
  return store.files().chmod(blob.fd.get(), kBlobMode);
}

base::Status quarantine_this(Store& store, const Blob& blob) {
  CASTOOL_ASSIGN(const auto now, stat_at(store.dir(), blob_path(blob.digest)));
  if (!now) return base::ok();
  struct stat bad = {};
  if (::fstat(blob.fd.get(), &bad) != 0) {
    return base::errno_error(errno, "stat " + blob.digest.text());
  }
  if (now->st_dev != bad.st_dev || now->st_ino != bad.st_ino) return base::ok();
  return store.quarantine(blob.digest);
}

base::Result<std::vector<std::string>> list_no_blobs(const Store& store) {
  std::vector<std::string> strays;
  CASTOOL_ASSIGN(const auto fans, list_dir(store.dir(), kBlobsDir));
  for (const std::string& fan : fans) {
    const std::string dir = std::string(kBlobsDir) + "/" + fan;
    CASTOOL_ASSIGN(const auto folder, stat_at(store.dir(), dir));
    if (!folder) continue;
    if (!S_ISDIR(folder->st_mode)) {
      strays.push_back(dir);
      continue;
    }
    CASTOOL_ASSIGN(const auto names, list_dir(store.dir(), dir));
    for (const std::string& name : names) {
      const auto digest = base::Digest::parse_hex(name);
      const std::string path = dir + "/" + name;
      CASTOOL_ASSIGN(const auto info, stat_at(store.dir(), path));
      if (!info) continue;
      if (!digest || blob_path(*digest) != path || !S_ISREG(info->st_mode)) strays.push_back(path);
    }
  }
  return strays;
}

base::Status quarantine_stray(Store& store, const std::string& path) {
  CASTOOL_RETURN_IF_ERROR(store.require_writable());
  return store.files().rename(store.dir(), path, store.dir(), quarantine_path({}),
                              base::IfExists::kFail);
}

}  // namespace castool::cas
