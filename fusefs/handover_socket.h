// How a live mount changes hands (mount --replace): a socket of its daemon's, and the conversation.
//
//   DIR/MAJOR-MINOR.sock    of the mount with that device number; SOCK_SEQPACKET, mode 0600, in a
//                           directory that nobody else can write to; the other side has to be the
//                           same user or root
//   successor  "castool handover " VERSION            decimal: kHandoverVersion
//   daemon     "S" u64 descriptors                    with the connection (/dev/fuse) and a memory
//                                                     file of the state (handover_state.h); paused
//              "D", as often as it takes              with the blobs of open files, 64 at most each
//              or "N" text                            why not; it goes on
//   successor  "T"                                    it takes the mount. Anything else, its end,
//   or
//                                                     nothing within kAnswerTime: the daemon goes
//                                                     on
//   daemon     "G"                                    gone: it takes and answers nothing any more
//              or "R"                                 it goes on; the answer came too late
// When the daemon dies after "T" without a word, the mount is the successor's.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/file_ops.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace castool::fusefs {

inline constexpr std::chrono::seconds kAnswerTime{30};

// A mount as it is handed over.
struct GivenMount {
  base::UniqueFd device;
  std::string state;
  std::vector<base::UniqueFd> blobs;
};

// The daemon's side: one that can let go of its mount. The calls come from a thread of the
// server's.
class MountGiver {
 public:
  virtual ~MountGiver() = default;
  // On success paused until one of the others is called.
  [[nodiscard]] virtual base::Result<GivenMount> pause() = 0;
  virtual void resume() = 0;
  virtual void leave() = 0;
};

class HandoverServer {
 public:
  // `giver`, `files` and `log` outlive it.
  [[nodiscard]] static base::Result<std::unique_ptr<HandoverServer>> listen(
      const std::string& directory, dev_t mount, MountGiver& giver, base::FileOps& files,
      base::Log& log);
  // Ends what is under way: the mount is given away, or it is not. The socket goes, unless it is a
  // successor's by then.
  ~HandoverServer();
  HandoverServer(const HandoverServer&) = delete;
  HandoverServer& operator=(const HandoverServer&) = delete;

 private:
  HandoverServer(base::UniqueFd directory, std::string name, MountGiver& giver,
                 base::FileOps& files, base::Log& log);
  void serve(const std::stop_token& stop);
  enum class Talked { kGaveAway, kGoesOn };
  Talked talk(int peer, const std::stop_token& stop);

  const base::UniqueFd directory_;
  const std::string name_;
  ino_t inode_ = 0;  // of the name: a later mount with our device's number may have taken it
  MountGiver& giver_;
  base::FileOps& files_;
  base::Log& log_;
  base::UniqueFd socket_;
  base::UniqueFd ending_;   // eventfd
  bool gave_away_ = false;  // of the thread
  std::jthread thread_;
};

// The successor's side.
class Predecessor {
 public:
  // Asks for the mount; it is paused until this value goes or take() succeeded. kBusy: there is
  // nobody to ask, or it cannot be given away now.
  [[nodiscard]] static base::Result<Predecessor> ask(const std::string& directory, dev_t mount);
  [[nodiscard]] GivenMount& given() { return given_; }
  [[nodiscard]] base::Status take();

 private:
  explicit Predecessor(base::UniqueFd socket) : socket_(std::move(socket)) {}
  [[nodiscard]] base::Status receive();

  base::UniqueFd socket_;
  GivenMount given_;
};

}  // namespace castool::fusefs
