// Content of unknown digest on its way in, in one file below tmp/.
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "cas/checksum.h"
#include "cas/chunk_table.h"
#include "cas/layout.h"
#include "cas/ofd_lock.h"
#include "cas/partial.h"
#include "cas/publish.h"
#include "cas/stamp.h"
#include "cas/store.h"
#include "cas/sums.h"

namespace castool::cas {

struct Ingest::State {
  explicit State(Store& target) : store(target), tmp(unique_tmp_path()) {}
  ~State() {
    if (fd) (void)store.files().unlink(store.dir(), tmp);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  [[nodiscard]] base::Status place(const base::Digest& digest);

  Store& store;
  const std::string tmp;
  base::UniqueFd fd;  // valid while the file has its name below tmp/
  std::uint64_t size = 0;
  base::Sha256 sha256;
  Xxh3Stream checksum;
  std::vector<std::uint64_t> sums;
};

Ingest::Ingest(std::unique_ptr<State> state) : state_(std::move(state)) {}
Ingest::Ingest(Ingest&&) noexcept = default;
Ingest& Ingest::operator=(Ingest&&) noexcept = default;
Ingest::~Ingest() = default;

base::Result<Ingest> Store::begin_ingest() {
  CASTOOL_RETURN_IF_ERROR(require_writable());
  auto state = std::make_unique<Ingest::State>(*this);
  CASTOOL_ASSIGN(state->fd, files().open(dir(), state->tmp, O_RDWR | O_CREAT | O_EXCL, kWorkMode));
  // Tells the clearing of tmp/ that this is no leftover.
  CASTOOL_RETURN_IF_ERROR(try_lock(state->fd.get(), {0, 1}, LockKind::kExclusive));
  return Ingest(std::move(state));
}

base::Status Ingest::append(std::span<const std::byte> bytes) {
  State& state = *state_;
  const base::Status written = state.store.files().write_at(state.fd.get(), state.size, bytes);
  if (!written) return explain_no_space(written.error(), state.store, bytes.size());
  return note_cloned(bytes);
}

bool Ingest::clone(int from) { return ::ioctl(state_->fd.get(), FICLONE, from) == 0; }

int Ingest::fd() const { return state_->fd.get(); }

base::Status Ingest::note_cloned(std::span<const std::byte> bytes) {
  State& state = *state_;
  state.sha256.update(bytes);
  while (!bytes.empty()) {
    const auto room = kChunkSize - state.size % kChunkSize;
    const auto part = bytes.first(std::min<std::uint64_t>(bytes.size(), room));
    state.checksum.update(part);
    state.size += part.size();
    if (state.size % kChunkSize == 0) state.sums.push_back(state.checksum.finish());
    bytes = bytes.subspan(part.size());
  }
  return base::ok();
}

std::uint64_t Ingest::size() const { return state_->size; }

base::Status Ingest::State::place(const base::Digest& digest) {
  base::FileOps& files = store.files();
  CASTOOL_RETURN_IF_ERROR(files.sync(fd.get()));
  CASTOOL_RETURN_IF_ERROR(files.chmod(fd.get(), kBlobMode));
  CASTOOL_ASSIGN(const Placed placed, place_blob(files, store.dir(), store.dir(), tmp, digest));
  const base::UniqueFd file = std::move(fd);
  if (placed == Placed::kAlreadyThere) {
    (void)files.unlink(store.dir(), tmp);
    return base::ok();
  }
  if (sums.size() < chunk_count(size)) sums.push_back(checksum.finish());
  const base::Status status = write_sums(files, store.dir(), digest, size, sums);
  // The blob is stored; without its sidecar it is only checked more slowly.
  if (!status) store.log().warn("no checksums for {}: {}", digest.text(), status.error().text());
  const base::Status stamped = write_stamp(files, store.dir(), digest, file.get());
  if (!stamped) store.log().debug("no stamp: {}", stamped.error().text());
  return base::ok();
}

base::Result<base::Digest> Ingest::commit(std::stop_token stop,
                                          const std::optional<base::Digest>& expected) {
  const base::Digest digest = state_->sha256.finish();
  if (expected && digest != *expected) {
    base::Error error = base::make_error(base::Code::kDigestMismatch,
                                         "want " + expected->text() + ", got " + digest.text());
    error.digest = expected->text();
    return error;
  }
  CASTOOL_RETURN_IF_ERROR(state_->store.add_to_leases(digest, stop));
  CASTOOL_RETURN_IF_ERROR(state_->place(digest));
  return digest;
}

}  // namespace castool::cas
