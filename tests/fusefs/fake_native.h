// A kernel that reads files by itself, for tests of what the mount leaves to it.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>

#include "fusefs/native_files.h"

namespace castool::fusefs::testing {

// Numbers blobs from 1 on; refuses when told to.
class FakeNative final : public NativeFiles {
 public:
  [[nodiscard]] bool available() const override { return available_; }
  base::Result<std::int32_t> acquire(const base::Digest& digest, int) override {
    if (refuses_) return base::make_error(base::Code::kIo, "no more");
    ++users_[digest];
    return 1 + static_cast<std::int32_t>(std::distance(users_.begin(), users_.find(digest)));
  }
  void release(const base::Digest& digest) override {
    if (--users_.at(digest) == 0) users_.erase(digest);
  }
  void adopt(const base::Digest& digest, std::int32_t) override { ++users_[digest]; }
  void set_available(bool available) { available_ = available; }
  void set_refuses(bool refuses) { refuses_ = refuses; }
  [[nodiscard]] std::size_t registered() const { return users_.size(); }

 private:
  bool available_ = true;
  bool refuses_ = false;
  std::map<base::Digest, int> users_;
};

}  // namespace castool::fusefs::testing
