// How many connections to use at once: few at first, more while that makes it faster, half as many
// when an origin pushes back. A value without locks; what happened is an argument.
#pragma once

namespace castool::fetch {

class ConnectionWindow {
 public:
  static constexpr int kFirst = 4;
  // Samples to wait before growing again: when growth brought nothing, and after a push-back.
  static constexpr int kPatience = 20;
  static constexpr int kPenalty = 60;

  explicit ConnectionWindow(int most);

  [[nodiscard]] int limit() const { return limit_; }

  enum class Use { kIdle, kFull };
  // The rate of the last half second. While connections are idle it says nothing about the limit.
  void on_sample(double bytes_per_second, Use use);
  // 429, 503, or a refused connection.
  void on_push_back();

 private:
  int most_;
  int limit_;
  int hold_ = 0;
  bool grew_ = false;
  double rate_before_growth_ = 0;
};

}  // namespace castool::fetch
