#include "tools/staged_tree.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <set>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/unique_fd.h"
#include "cas/checked_blob.h"
#include "tools/command_context.h"
#include "tools/file_copy.h"

namespace castool::tools {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using base::Status;
namespace fs = std::filesystem;

constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kFileMode = 0644;

bool is_real_directory(const fs::path& path) {
  std::error_code failure;
  return fs::symlink_status(path, failure).type() == fs::file_type::directory;
}

std::vector<fs::path> entries_of(const fs::path& directory) {
  std::vector<fs::path> found;
  std::error_code failure;
  for (fs::directory_iterator at(directory, failure), end; !failure && at != end;
       at.increment(failure)) {
    found.push_back(at->path());
  }
  return found;
}

Status check_target(const fs::path& directory, Existing existing) {
  std::error_code failure;
  const auto type = fs::status(directory, failure).type();
  if (type == fs::file_type::not_found) return base::ok();
  if (type != fs::file_type::directory) {
    return make_error(Code::kUsage, directory.string() + " is not a directory");
  }
  if (existing == Existing::kRefuse && !entries_of(directory).empty()) {
    return make_error(Code::kUsage, directory.string() + " is not empty",
                      "name a directory that is empty or not there yet");
  }
  return base::ok();
}

// Every directory above `directory`.
Status make_ancestors(const fs::path& directory, base::FileOps& files) {
  std::vector<fs::path> missing;
  for (fs::path at = directory; !is_real_directory(at) && at != at.root_path();
       at = at.parent_path()) {
    std::error_code failure;
    if (fs::is_directory(at, failure)) break;  // through a link
    missing.push_back(at);
  }
  for (auto at = missing.rbegin(); at != missing.rend(); ++at) {
    CASTOOL_RETURN_IF_ERROR(files.make_dir(AT_FDCWD, at->string(), kDirectoryMode));
  }
  return base::ok();
}

}  // namespace

Status remove_tree(base::FileOps& files, const std::string& path) {
  std::error_code failure;
  const auto type = fs::symlink_status(path, failure).type();
  if (type == fs::file_type::not_found) return base::ok();
  if (type != fs::file_type::directory) return files.unlink(AT_FDCWD, path);
  for (const fs::path& entry : entries_of(path)) {
    CASTOOL_RETURN_IF_ERROR(remove_tree(files, entry.string()));
  }
  return files.remove_dir(AT_FDCWD, path);
}

struct StagedTree::State {
  explicit State(base::FileOps& operations) : files(operations) {}

  base::FileOps& files;
  std::string target;
  std::string staging;
  Existing existing = Existing::kRefuse;
  base::UniqueFd lock;
  std::set<std::string> directories;  // made below staging
  bool done = false;
};

StagedTree::StagedTree(std::unique_ptr<State> state) : state_(std::move(state)) {}
StagedTree::StagedTree(StagedTree&&) noexcept = default;

StagedTree::~StagedTree() {
  if (state_ == nullptr || state_->done) return;
  static_cast<void>(remove_tree(state_->files, state_->staging));
}

Result<StagedTree> StagedTree::begin(const std::string& directory, Existing existing,
                                     base::FileOps& files) {
  auto state = std::make_unique<State>(files);
  state->target = absolute_path(directory);
  state->existing = existing;
  const fs::path target = state->target;
  CASTOOL_RETURN_IF_ERROR(check_target(target, existing));
  if (!target.has_filename()) return make_error(Code::kUsage, directory + " cannot be replaced");
  CASTOOL_RETURN_IF_ERROR(make_ancestors(target.parent_path(), files));
  state->staging =
      (target.parent_path() / fmt::format(".{}.castool-new", target.filename().string())).string();
  CASTOOL_RETURN_IF_ERROR(files.make_dir(AT_FDCWD, state->staging, kDirectoryMode));
  CASTOOL_ASSIGN(state->lock, files.open(AT_FDCWD, state->staging, O_RDONLY | O_DIRECTORY));
  if (::flock(state->lock.get(), LOCK_EX | LOCK_NB) != 0) {
    state->done = true;  // it is somebody else's
    return make_error(Code::kBusy, "somebody else is writing " + state->target);
  }
  for (const fs::path& left : entries_of(state->staging)) {
    CASTOOL_RETURN_IF_ERROR(remove_tree(files, left.string()));
  }
  return StagedTree(std::move(state));
}

Status StagedTree::make_parents(const std::string& path) {
  for (std::size_t end = path.find('/'); end != std::string::npos; end = path.find('/', end + 1)) {
    const std::string directory = path.substr(0, end);
    if (!state_->directories.insert(directory).second) continue;
    CASTOOL_RETURN_IF_ERROR(
        state_->files.make_dir(AT_FDCWD, state_->staging + "/" + directory, kDirectoryMode));
  }
  return base::ok();
}

Status StagedTree::add_text(const std::string& path, std::string_view text) {
  CASTOOL_RETURN_IF_ERROR(make_parents(path));
  base::FileOps& files = state_->files;
  CASTOOL_ASSIGN(const auto fd, files.open(AT_FDCWD, state_->staging + "/" + path,
                                           O_WRONLY | O_CREAT | O_EXCL, kFileMode));
  CASTOOL_RETURN_IF_ERROR(files.write_at(fd.get(), 0, std::as_bytes(std::span(text))));
  return files.sync(fd.get());
}

base::Error not_here_yet(const std::string& path, const base::Digest& digest) {
  base::Error error =
      make_error(Code::kNotFound, path + " is not here yet", "castool pull brings what is missing");
  error.digest = digest.text();
  return error;
}

Status StagedTree::add_blob(const std::string& path, cas::Store& store, const base::Digest& digest,
                            const std::stop_token& stop) {
  CASTOOL_ASSIGN(auto blob, store.find(digest));
  if (!blob) return not_here_yet(path, digest);
  const bool trusted = store.verified_this_boot(digest, blob->fd.get());
  cas::CheckedBlob checked(store, *std::move(blob));
  if (!trusted) CASTOOL_RETURN_IF_ERROR(checked.check_all(stop));
  CASTOOL_RETURN_IF_ERROR(make_parents(path));
  base::FileOps& files = state_->files;
  CASTOOL_ASSIGN(const auto fd, files.open(AT_FDCWD, state_->staging + "/" + path,
                                           O_RDWR | O_CREAT | O_EXCL, kFileMode));
  CASTOOL_RETURN_IF_ERROR(
      copy_file(checked.blob().fd.get(), checked.blob().size, fd.get(), files, stop));
  return files.sync(fd.get());
}

Status StagedTree::add_link(const std::string& path, const std::string& target) {
  CASTOOL_RETURN_IF_ERROR(make_parents(path));
  return state_->files.symlink(target, AT_FDCWD, state_->staging + "/" + path);
}

Status StagedTree::commit() {
  State& state = *state_;
  base::FileOps& files = state.files;
  for (const std::string& directory : state.directories) {
    CASTOOL_RETURN_IF_ERROR(files.sync_dir(AT_FDCWD, state.staging + "/" + directory));
  }
  CASTOOL_RETURN_IF_ERROR(files.sync_dir(AT_FDCWD, state.staging));
  const auto move = [&files](const std::string& from, const std::string& to) {
    return files.rename(AT_FDCWD, from, AT_FDCWD, to, base::IfExists::kReplace);
  };
  const std::string parent = fs::path(state.target).parent_path().string();
  if (state.existing == Existing::kMerge && is_real_directory(state.target)) {
    for (const fs::path& entry : entries_of(state.staging)) {
      CASTOOL_RETURN_IF_ERROR(move(entry.string(), state.target + "/" + entry.filename().string()));
    }
    return files.sync_dir(AT_FDCWD, state.target);
  }
  const std::string old = state.staging + "-old";
  CASTOOL_RETURN_IF_ERROR(remove_tree(files, old));
  const bool replaced = state.existing == Existing::kReplace && is_real_directory(state.target);
  if (replaced) CASTOOL_RETURN_IF_ERROR(move(state.target, old));
  // rename(2) takes the place of an empty directory and of no other.
  if (Status moved = move(state.staging, state.target); !moved) {
    if (replaced) static_cast<void>(move(old, state.target));
    return moved;
  }
  state.done = true;
  CASTOOL_RETURN_IF_ERROR(files.sync_dir(AT_FDCWD, parent));
  return remove_tree(files, old);
}

}  // namespace castool::tools
