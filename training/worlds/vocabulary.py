"""The words of the invented market, how common they are, and what they are truly worth.

Every text can be written in CP932. Names of firms and people are composed from common nouns; mail
addresses lie under domains reserved for examples or have a local part that says they are samples.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "CHANNELS",
    "COMPANY_FORMS",
    "COMPANY_NAMES",
    "COMPANY_TRADES",
    "EMPLOYEE_BANDS",
    "FREE_MAIL",
    "INDUSTRIES",
    "MESSAGES",
    "PREFECTURES",
    "PRODUCTS",
    "RANKS",
    "REPRESENTATIVES",
    "TITLES",
]


class Channel(NamedTuple):
    """A way in: share at the start, growth of its log share over the span, true effect, views."""

    code: str
    ja: str
    share: float
    growth: float
    effect: float
    views: float


CHANNELS = (
    Channel("webinar", "ウェビナー", 0.15, 0.60, 0.45, 0.1),
    Channel("exhibition", "展示会", 0.17, -0.50, -0.25, -0.7),
    Channel("organic_search", "自然検索", 0.20, 0.00, 0.30, 0.5),
    Channel("paid_search", "リスティング広告", 0.13, 0.25, -0.05, 0.3),
    Channel("whitepaper", "資料ダウンロード", 0.16, 0.20, -0.30, 0.1),
    Channel("referral", "紹介", 0.06, -0.20, 0.85, -0.2),
    Channel("social", "SNS", 0.07, 0.40, -0.65, 0.0),
    Channel("phone", "電話", 0.06, -0.40, 0.60, -0.8),
)


class Industry(NamedTuple):
    """A trade: share, true effect, effect on the log of the time a decision takes."""

    code: str
    ja: str
    share: float
    effect: float
    slowness: float


INDUSTRIES = (
    Industry("manufacturing", "製造業", 0.24, 0.05, 0.10),
    Industry("it", "情報通信業", 0.17, 0.30, -0.25),
    Industry("wholesale_retail", "卸売・小売業", 0.14, -0.10, 0.00),
    Industry("construction", "建設業", 0.09, -0.25, 0.05),
    Industry("finance", "金融・保険業", 0.06, 0.25, 0.25),
    Industry("medical", "医療・福祉", 0.08, -0.15, 0.10),
    Industry("logistics", "運輸・物流業", 0.07, 0.10, 0.00),
    Industry("services", "サービス業", 0.11, 0.00, -0.10),
    Industry("public", "官公庁・教育", 0.04, -0.50, 0.35),
)

PRODUCTS = (
    ("product_a", "製品A", 0.05),
    ("product_b", "製品B", 0.00),
    ("product_c", "製品C", -0.20),
)
"""Code, Japanese name, true effect. The third is new when the world drifts."""

PREFECTURES = (
    ("東京都", 0.36, 0.12),
    ("大阪府", 0.13, 0.05),
    ("神奈川県", 0.09, 0.00),
    ("愛知県", 0.09, 0.05),
    ("福岡県", 0.06, -0.05),
    ("埼玉県", 0.05, 0.00),
    ("兵庫県", 0.05, 0.00),
    ("千葉県", 0.04, 0.00),
    ("北海道", 0.03, -0.15),
    ("静岡県", 0.03, 0.00),
    ("京都府", 0.03, 0.00),
    ("広島県", 0.02, -0.05),
    ("宮城県", 0.02, -0.10),
)

RANKS = (
    ("executive", 0.50),
    ("general_manager", 0.45),
    ("manager", 0.22),
    ("assistant_manager", 0.00),
    ("staff", -0.35),
    ("other", -0.45),
)
"""Rank of a job title and its true effect; a missing title is worth -0.2."""

TITLES = (
    ("代表取締役", 0, 0.05),
    ("代表取締役社長", 0, 0.03),
    ("取締役", 0, 0.03),
    ("専務取締役", 0, 0.01),
    ("営業部長", 1, 0.05),
    ("情報システム部長", 1, 0.04),
    ("部長", 1, 0.07),
    ("総務課長", 2, 0.05),
    ("情報システム課長", 2, 0.05),
    ("課長", 2, 0.09),
    ("マーケティング課長", 2, 0.02),
    ("係長", 3, 0.08),
    ("主任", 3, 0.10),
    ("担当", 4, 0.14),
    ("一般社員", 4, 0.08),
    ("営業担当", 4, 0.06),
    ("学生", 5, 0.02),
    ("その他", 5, 0.03),
)
"""Title as typed, position in `RANKS`, share among leads that give one."""

EMPLOYEE_BANDS = (
    (1, 9),
    (10, 29),
    (30, 49),
    (50, 99),
    (100, 299),
    (300, 499),
    (500, 999),
    (1000, 4999),
)

FREE_MAIL = ("gmail.com", "yahoo.co.jp", "outlook.jp")

COMPANY_FORMS = (
    ("株式会社{}", 0.36),
    ("{}株式会社", 0.24),
    ("㈱{}", 0.06),
    ("{}㈱", 0.04),
    ("(株){}", 0.05),
    ("有限会社{}", 0.08),
    ("合同会社{}", 0.06),
    ("一般財団法人{}", 0.02),
    ("{}", 0.09),
)


def _pairs(*lines: str) -> tuple[tuple[str, str], ...]:
    words = " ".join(lines).split()
    return tuple(zip(words[::2], words[1::2], strict=True))


COMPANY_NAMES = _pairs(
    "青葉 aoba 東雲 shinonome 旭光 kyokko 白樺 shirakaba 若竹 wakatake 清流 seiryu",
    "北斗 hokuto 南風 minamikaze 山彦 yamabiko 千鳥 chidori 月見 tsukimi 明星 akeboshi",
    "桜坂 sakurazaka 深緑 shinryoku 大空 ozora 湖畔 kohan 髙峰 takamine 鈴音 suzune",
    "若葉 wakaba 夕凪 yunagi 春日 haruhi 氷川 hikawa 双葉 futaba 第① daiichi",
    "朝霧 asagiri 星野 hoshino 銀杏 ginnan 楓 kaede 港南 konan 雪原 yukihara 泉 izumi",
    "虹 niji 風早 kazahaya 稲穂 inaho 灯台 todai 渚 nagisa 松風 matsukaze 梅林 bairin",
    "水車 suisha 里山 satoyama",
)
"""What a firm is called, in Japanese and in its mail domain."""

COMPANY_TRADES = _pairs(
    "精機 seiki 商事 shoji システムズ systems 工業 kogyo 物流 butsuryu 電装 denso",
    "建設 kensetsu サービス service 製作所 works 企画 kikaku ケア care フーズ foods",
    "ソフト soft 金属 kinzoku 繊維 seni",
)

MESSAGES = (
    "現在の運用に課題を感じており、貴社製品の資料を確認したいです。導入までの流れと費用の目安を教えてください。",
    "社内で比較検討を始めたところです。同じ業種での導入事例があれば共有をお願いします。",
    "来期の予算に向けて情報を集めています。まずは機能の一覧と価格表をいただけますか。",
    "担当者が少なく手作業が多いため、自動化できる範囲を知りたいと考えています。",
    "展示会で説明を伺いました。社内に持ち帰って説明したいので、詳しい資料をお送りください。",
)

REPRESENTATIVES = tuple(f"営業{team}課-{seat:02d}" for team in (1, 2) for seat in range(1, 5))
