// A directory that appears whole or not at all: made beside the one that is meant, made durable,
// and renamed.
//
// What a killed run left behind is cleared away by the next one for the same directory; one that
// still works on it is kBusy. Without commit() nothing stays. One thread.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/file_ops.h"
#include "base/result.h"
#include "cas/store.h"

namespace castool::tools {

enum class Existing {
  kRefuse,   // the directory has to be absent or empty
  kReplace,  // it goes when the new one is ready
  kMerge,    // it stays, and gets the new files, each of them whole
};

class StagedTree {
 public:
  // kUsage when `directory` is there, not empty and not to be replaced, or cannot be one.
  [[nodiscard]] static base::Result<StagedTree> begin(const std::string& directory,
                                                      Existing existing, base::FileOps& files);
  StagedTree(StagedTree&&) noexcept;
  StagedTree& operator=(StagedTree&&) = delete;
  ~StagedTree();

  // Paths are relative and checked; directories are made as they are needed.
  [[nodiscard]] base::Status add_text(const std::string& path, std::string_view text);
  // The blob's bytes, shared with the store where the file system can, compared with their
  // checksums first. kNotFound when the store has not got it.
  [[nodiscard]] base::Status add_blob(const std::string& path, cas::Store& store,
                                      const base::Digest& digest, const std::stop_token& stop);
  [[nodiscard]] base::Status add_link(const std::string& path, const std::string& target);
  [[nodiscard]] base::Status commit();

 private:
  struct State;
  explicit StagedTree(std::unique_ptr<State> state);
  [[nodiscard]] base::Status make_parents(const std::string& path);

  std::unique_ptr<State> state_;
};

// kNotFound of a file of a model.
[[nodiscard]] base::Error not_here_yet(const std::string& path, const base::Digest& digest);

// Everything in and below `path`, not following links; one that is not there is success.
[[nodiscard]] base::Status remove_tree(base::FileOps& files, const std::string& path);

}  // namespace castool::tools
