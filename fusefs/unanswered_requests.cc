#include "fusefs/unanswered_requests.h"

#include <cstring>
#include <utility>

namespace castool::fusefs {
namespace {

// Of fuse_in_header, and fuse_opcode.
constexpr std::size_t kOpcodeAt = 4;
constexpr std::size_t kUniqueAt = 8;
constexpr std::uint32_t kLookup = 1;
constexpr std::uint32_t kOpen = 14;
constexpr std::uint32_t kRead = 15;

}  // namespace

void UnansweredRequests::came(std::span<const char> request) {
  std::uint32_t opcode = 0;
  std::uint64_t unique = 0;
  if (request.size() < kUniqueAt + sizeof unique) return;
  std::memcpy(&opcode, request.data() + kOpcodeAt, sizeof opcode);
  std::memcpy(&unique, request.data() + kUniqueAt, sizeof unique);
  if (opcode != kLookup && opcode != kOpen && opcode != kRead) return;
  std::string bytes(request.begin(), request.end());
  const base::MutexLock lock(mutex_);
  requests_.insert_or_assign(unique, std::move(bytes));
}

void UnansweredRequests::answered(std::uint64_t unique) {
  const base::MutexLock lock(mutex_);
  requests_.erase(unique);
}

std::vector<std::string> UnansweredRequests::all() const {
  std::vector<std::string> all;
  const base::MutexLock lock(mutex_);
  for (const auto& [unique, bytes] : requests_) all.push_back(bytes);
  return all;
}

}  // namespace castool::fusefs
