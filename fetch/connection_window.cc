#include "fetch/connection_window.h"

#include <algorithm>

namespace castool::fetch {
namespace {

constexpr double kWorthwhileGain = 1.05;

}  // namespace

ConnectionWindow::ConnectionWindow(int most)
    : most_(std::max(most, 1)), limit_(std::min(most_, kFirst)) {}

void ConnectionWindow::on_sample(double bytes_per_second, Use use) {
  if (hold_ > 0) {
    --hold_;
    return;
  }
  if (use == Use::kIdle) return;
  if (grew_ && bytes_per_second < rate_before_growth_ * kWorthwhileGain) {
    grew_ = false;
    hold_ = kPatience;
    return;
  }
  rate_before_growth_ = bytes_per_second;
  grew_ = limit_ < most_;
  limit_ = std::min(most_, limit_ + (refused_ ? 1 : std::max(1, limit_ / 2)));
}

void ConnectionWindow::on_push_back() {
  limit_ = std::max(1, limit_ / 2);
  grew_ = false;
  refused_ = true;
  hold_ = kPenalty;
}

}  // namespace castool::fetch
