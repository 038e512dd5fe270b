// How many connections to use at once: a modest number at first, half as many again while that
// makes it faster, half of them when an origin pushes back. What an origin refused once is
// approached again one by one. A value without locks; what happened is an argument.
#pragma once

namespace castool::fetch {

class ConnectionWindow {
 public:
  static constexpr int kFirst = 8;
  // Samples to wait before growing again: when growth brought nothing, and after a push-back.
  static constexpr int kPatience = 40;
  static constexpr int kPenalty = 120;

  explicit ConnectionWindow(int most);

  [[nodiscard]] int limit() const { return limit_; }

  enum class Use { kIdle, kFull };
  // The rate of the last quarter of a second. While connections are idle it says nothing about the
  // limit.
  void on_sample(double bytes_per_second, Use use);
  // The origin refuses what it was asked at this width (pushes_back() in retry_policy.h).
  void on_push_back();

 private:
  int most_;
  int limit_;
  int hold_ = 0;
  bool grew_ = false;
  bool refused_ = false;  // at some width, so grow by ones
  double rate_before_growth_ = 0;
};

}  // namespace castool::fetch
